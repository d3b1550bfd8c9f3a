//! Recorded inputs and answers that stand beside the project and are not part of it. Where they are
//! missing, tests that want them use inputs of their own and say so.

use std::path::PathBuf;

/// The file `path` of the recordings, such as `oracle/picomatch-pairs.jsonl`; `None` without them.
#[must_use]
pub fn file(path: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    let found = beside.exists().then_some(beside);
    if found.is_none() {
        drop(std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("no recording `{path}`: going on with inputs of this project\n").as_bytes(),
        ));
    }
    found
}

/// The webhook bodies that GitHub really sent, as (event, body); a small one where there are none.
///
/// # Errors
/// The recordings are there but can't be read.
pub fn github_bodies() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let Some(folder) = file("fixtures/github") else {
        let body = br#"{"ref":"refs/heads/main","repository":{"full_name":"a/b"}}"#;
        return Ok(vec![("push".to_owned(), body.to_vec())]);
    };
    let mut bodies = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let event = name.as_deref().and_then(|name| name.split('.').next()).unwrap_or_default();
        bodies.push((event.to_owned(), std::fs::read(&path)?));
    }
    bodies.sort();
    Ok(bodies)
}
