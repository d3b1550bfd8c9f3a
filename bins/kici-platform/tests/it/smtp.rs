//! A mail server that takes everything, for tests that count mails; `mail.rs` has a real one.

use std::sync::{Arc, Mutex};

use kici_mail::{Config, Encryption};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The mails that it has taken, as they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken(Arc<Mutex<Vec<String>>>);

impl Taken {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Starts it; it ends with the test's runtime.
pub(crate) async fn start() -> (Config, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config {
        host: "localhost".to_owned(),
        port: Some(listener.local_addr().unwrap().port()),
        encryption: Encryption::None,
        login: None,
        from: "ci@example.org".parse().unwrap(),
    };
    let taken = Taken::default();
    let all = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, all.clone()));
        }
    });
    (config, taken)
}

async fn serve(stream: TcpStream, taken: Taken) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test ESMTP\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let answer: &[u8] = match line.get(..4).unwrap_or_default() {
            "EHLO" => b"250-test\r\n250 8BITMIME\r\n",
            "QUIT" => return stream.write_all(b"221 bye\r\n").await,
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") && stream.read_line(&mut mail).await? > 0 {}
                taken.0.lock().unwrap().push(mail);
                b"250 taken\r\n"
            }
            _ => b"250 well\r\n",
        };
        stream.write_all(answer).await?;
        line.clear();
    }
    Ok(())
}
