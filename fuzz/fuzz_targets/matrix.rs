//! JSON as it is posted, and the algebra on whatever matrices the bytes make.

#![no_main]

use kici_rbac::{Level, Matrix, Resource};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(matrix) = serde_json::from_slice::<Matrix>(bytes) {
        let written = serde_json::to_vec(&matrix).unwrap();
        assert_eq!(serde_json::from_slice::<Matrix>(&written).unwrap(), matrix);
    }
    if let Some((a, rest)) = bytes.split_at_checked(16)
        && let Some((b, _)) = rest.split_at_checked(16)
    {
        algebra(matrix(a), matrix(b));
    }
});

fn matrix(levels: &[u8]) -> Matrix {
    Resource::ALL.into_iter().zip(levels).fold(Matrix::NONE, |matrix, (resource, byte)| {
        matrix.with(resource, Level::ALL[usize::from(*byte) % Level::ALL.len()])
    })
}

fn algebra(a: Matrix, b: Matrix) {
    for resource in Resource::ALL {
        let (one, two) = (a.level(resource), b.level(resource));
        assert_eq!(a.union(b).level(resource), one.max(two));
        assert_eq!(a.cap(b).level(resource), one.min(two));
        assert_eq!(a.allows(resource, two), one >= two);
    }
    assert_eq!(a.within(b), Resource::ALL.into_iter().all(|r| a.level(r) <= b.level(r)));
}
