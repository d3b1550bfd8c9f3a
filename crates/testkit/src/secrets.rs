//! Secrets that the server tells are told once: every test looks for them in each answer that it got,
//! in each line of the log and in each row.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};

use kici_model::{MasterKey, Token};
use tracing_subscriber::fmt::MakeWriter;

/// All that the server can say of itself; what the tests' own client and orchestrator say is their
/// business.
const FILTER: &str = "trace,reqwest=off,hyper_util::client=off,kici_orchestrator_core=off,\
    tungstenite=off,tokio_tungstenite=off";

static LOGGED: LazyLock<Mutex<Logged>> = LazyLock::new(Mutex::default);

/// What the log of this process had so far.
#[derive(Debug, Clone, Default)]
pub struct Logged {
    /// How many lines tell of an answer.
    pub answers: usize,
    /// Lines with a secret in them.
    pub telling: Vec<String>,
}

impl Logged {
    fn read(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        self.answers += usize::from(text.contains("answered"));
        if !secrets(line).is_empty() {
            self.telling.push(text.into_owned());
        }
    }
}

/// Every secret of ours that stands in `bytes`, as often as it does: tokens and master keys
/// (`kici_…`), sessions' cookies and tokens of the issuer of `dev` (JWTs).
#[must_use]
pub fn secrets(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let word = |at: usize, extra: &[char]| {
        let rest = text.get(at..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !extra.contains(&c));
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().to_owned()
    };
    let tokens = text.match_indices("kici_").map(|(at, _)| word(at, &['_']));
    let tokens = tokens.filter(|word| word.parse::<Token>().is_ok());
    let jwts = text.match_indices("eyJ").map(|(at, _)| word(at, &['_', '-', '.']));
    let jwts = jwts.filter(|word| word.split('.').filter(|part| part.len() >= 16).count() == 3);
    let cookies =
        text.match_indices("kici_session=").map(|(at, name)| word(at + name.len(), &['_', '-']));
    let cookies = cookies.filter(|word| word.len() >= 40);
    let master_keys = text.match_indices("kici_mk_").map(|(at, _)| word(at, &['_']));
    let master_keys = master_keys.filter(|word| word.parse::<MasterKey>().is_ok());
    tokens.chain(master_keys).chain(jwts).chain(cookies).collect()
}

/// What the log of this process had so far.
#[must_use]
pub fn logged() -> Logged {
    of_log().clone()
}

/// Begins to read the log of this process, at its most talkative.
pub(crate) fn read_log() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let log = tracing_subscriber::fmt().with_env_filter(FILTER).with_ansi(false);
        // A test that has a log of its own has none of ours.
        drop(log.with_writer(Log).try_init());
    });
}

/// Fails the test when the server told a secret twice, or told its log one.
pub(crate) fn check(answers: &[Vec<u8>]) {
    let mut seen = BTreeSet::new();
    let twice =
        answers.iter().flat_map(|bytes| secrets(bytes)).find(|secret| !seen.insert(secret.clone()));
    let telling = logged().telling;
    if !std::thread::panicking() {
        assert_eq!(twice, None, "a secret is told in two answers");
        assert!(telling.is_empty(), "secrets are in the log: {telling:?}");
    }
}

/// Fails the test when a file in `folder`, which holds a database, has a secret in it.
pub(crate) fn check_rows(folder: &Path) {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.filter(|file| file.file_name() != "master.key");
    let bytes = files.filter_map(|file| std::fs::read(file.path()).ok());
    let stored: Vec<_> = bytes.flat_map(|bytes| secrets(&bytes)).collect();
    if !std::thread::panicking() {
        assert!(stored.is_empty(), "secrets are in the database: {stored:?}");
    }
}

fn of_log() -> MutexGuard<'static, Logged> {
    LOGGED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy)]
struct Log;

impl Write for Log {
    /// The subscriber writes each line at once.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        of_log().read(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use kici_model::TokenKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::tap::Tap;

    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifSAg.c2lnbmF0dXJlc2lnbmF0dXJl";

    fn token() -> String {
        Token::new(TokenKind::ApiKey, &kici_model::OsEntropy::default())
            .unwrap()
            .reveal()
            .to_owned()
    }

    #[test]
    fn tokens_cookies_and_jwts_are_found_and_what_looks_like_them_is_not() {
        let token = token();
        let cookie = "c".repeat(43);
        let text = format!(r#"{{"t":"{token}"}} kici_session={cookie}; Path=/ Bearer {JWT}, "#);
        assert_eq!(secrets(text.as_bytes()), [token.as_str(), JWT, &cookie]);
        assert_eq!(secrets(format!("key={}.", crate::MASTER_KEY).as_bytes()), [crate::MASTER_KEY]);
        let typo = format!("{token}x");
        for other in
            [typo.as_str(), "kici_session=; Max-Age=0", "eyJ9.e30.", "kici_", "\u{fffd}eyJ"]
        {
            assert_eq!(secrets(other.as_bytes()), [""; 0], "{other}");
        }
    }

    #[test]
    fn a_line_that_tells_is_kept() {
        let mut logged = Logged::default();
        logged.read(b"INFO answered status=200");
        logged.read(format!("DEBUG made {}", token()).as_bytes());
        assert_eq!((logged.answers, logged.telling.len()), (1, 1));
    }

    /// What the end of a tap says when the server behind it told `answers`, one a connection.
    async fn end_of_tap(answers: &[&str]) -> Result<(), Box<dyn std::any::Any + Send>> {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tap = Tap::start(listener, server.local_addr().unwrap());
        for answer in answers {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"?").await.unwrap();
            let (mut connection, _) = server.accept().await.unwrap();
            connection.read_exact(&mut [0]).await.unwrap();
            connection.write_all(answer.as_bytes()).await.unwrap();
            drop(connection);
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, *answer);
        }
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(tap)))
    }

    #[tokio::test]
    async fn a_secret_is_told_once() {
        let (one, other) = (token(), token());
        end_of_tap(&[&one, "nothing", &other]).await.unwrap();
        end_of_tap(&[&one, "nothing", &one]).await.unwrap_err();
    }
}
