//! For tests only: the platform in process, with real sockets, on a database of its own; people and
//! keys in it; and the recorded inputs that tests read. Whatever a test does, the server must tell no
//! secret twice.

mod clock;
mod database;
mod folder;
mod logs;
mod org;
mod platform;
pub mod postgres;
pub mod secrets;
pub mod shared;
mod sign_in;
mod tap;

pub use clock::TestClock;
pub use database::Database;
pub use folder::new_folder;
pub use org::{TestMember, TestOrg};
pub use platform::{MASTER_KEY, TestPlatform, http_client};

/// How long a test waits for something that should happen at once.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Makes each test two: on SQLite, and on PostgreSQL where there is one.
///
/// ```
/// kici_testkit::on_both_databases! {
///     async fn the_database_answers(database: kici_testkit::Database) {
///         assert!(!database.url().is_empty());
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: $type:ty) $body:block)*) => {$(
        mod $name {
            use super::*;

            $(#[$meta])*
            async fn test($database: $type) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                test($crate::Database::sqlite().await.expect("a SQLite database")).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                match $crate::Database::postgres().await.expect("a PostgreSQL database") {
                    Some(database) => test(database).await,
                    None => println!(
                        "left out: {} is not set; `cargo xtask test` sets it",
                        $crate::postgres::SERVER
                    ),
                }
            }
        }
    )*};
}
