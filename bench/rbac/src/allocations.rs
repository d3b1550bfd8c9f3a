//! What is asked on every request makes no garbage.

use allocation_counter::measure;

use crate::data;
use crate::rivals::{ours, tuned};

/// Ends the program where a check or a union of ours allocates.
pub(crate) fn report() -> String {
    let rows = data::rows(10);
    let matrices: Vec<_> = rows.iter().map(|row| ours::matrix(&row.permissions)).collect();
    let scope = ours::scope();
    let count = |work: &mut dyn FnMut()| measure(work).count_total;
    let check = count(&mut || assert!(!ours::check(matrices[0])));
    let union = count(&mut || assert!(ours::check(ours::union(&matrices))));
    let allows = count(&mut || assert!(scope.allows(data::REPO)));
    let authorize = count(&mut || assert!(ours::authorize(&rows, Some(data::REPO))));
    let rival = count(&mut || assert!(tuned::authorize(&rows, Some(data::REPO))));
    assert_eq!((check, union), (0, 0), "a check and a union allocate nothing");
    format!(
        "Allocations: check {check}, union {union}, one name against 10 patterns {allows}, \
         authorize from 10 rows with a repository {authorize} (tuned {rival})."
    )
}
