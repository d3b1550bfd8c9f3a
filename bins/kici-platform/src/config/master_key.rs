//! `server.master_key_file` and `KICI_SERVER_MASTER_KEY`: where the master keys are.

use super::{Values, told};
use crate::master_key::{self, MasterKeySource};

const SECTION: &str = "server";
/// The key that only the environment sets: the configuration file is no place for it.
pub(super) const VALUE: &str = "master_key";

/// Reads it; `None` inside if neither is set.
#[expect(clippy::option_option, reason = "wrong, left out and given are three things")]
pub(super) fn read(values: &Values, errors: &mut Vec<String>) -> Option<Option<MasterKeySource>> {
    let files = values.list(SECTION, "master_key_file");
    let Some(text) = values.optional(SECTION, VALUE) else {
        let files: Vec<_> = files.into_iter().map(Into::into).collect();
        return Some((!files.is_empty()).then_some(MasterKeySource::Files(files)));
    };
    if !files.is_empty() {
        errors.push(
            "server.master_key_file: KICI_SERVER_MASTER_KEY is set as well; set one of them"
                .to_owned(),
        );
        return None;
    }
    let keys = told(master_key::parse(&text), "KICI_SERVER_MASTER_KEY", errors)?;
    Some(Some(MasterKeySource::Given(keys)))
}
