//! The wire to PostgreSQL: a proxy that counts statements, and can cut a connection at one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The statement does not reach PostgreSQL.
    Before,
    /// PostgreSQL runs the statement, and its answer is lost.
    After,
}

/// Passes everything on and counts the statements (`Execute` and `Query`). Each is a round trip of its
/// own: nothing is sent before the last one is answered.
pub(crate) struct Wire {
    /// The database behind the proxy.
    pub(crate) url: String,
    plan: Arc<Plan>,
}

#[derive(Default)]
struct Plan {
    asked: AtomicUsize,
    /// The number of the statement to cut at; 0 is never.
    cut_at: AtomicUsize,
    cuts_after: AtomicBool,
}

impl Wire {
    pub(crate) async fn tap(database: &str) -> Self {
        let mut url: url::Url = database.parse().unwrap();
        let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let plan = Arc::new(Plan::default());
        let shared = plan.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.unwrap();
                client.set_nodelay(true).and(server.set_nodelay(true)).unwrap();
                let (answers, questions) = server.into_split();
                let (from, to) = client.into_split();
                let is_cut = Arc::new(AtomicBool::new(false));
                tokio::spawn(ask(from, questions, shared.clone(), is_cut.clone()));
                tokio::spawn(answer(answers, to, is_cut));
            }
        });
        Self { url: url.into(), plan }
    }

    /// How many statements were sent since the last [`cut_at`](Self::cut_at).
    pub(crate) fn asked(&self) -> usize {
        self.plan.asked.load(Ordering::SeqCst)
    }

    /// Begins to count anew, and cuts the connection of the statement with this number.
    pub(crate) fn cut_at(&self, number: usize, cut: Cut) {
        self.plan.cuts_after.store(cut == Cut::After, Ordering::SeqCst);
        self.plan.asked.store(0, Ordering::SeqCst);
        self.plan.cut_at.store(number, Ordering::SeqCst);
    }

    /// Cuts nothing any more.
    pub(crate) fn mend(&self) {
        self.plan.cut_at.store(0, Ordering::SeqCst);
    }
}

/// Passes messages on until the client hangs up or the connection is cut.
async fn ask(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    plan: Arc<Plan>,
    is_cut: Arc<AtomicBool>,
) -> Option<()> {
    // The first message has no type: perhaps a question for TLS, then the start.
    let mut is_started = false;
    loop {
        let mut head = Vec::new();
        if is_started {
            head.push(from.read_u8().await.ok()?);
        }
        let length = from.read_u32().await.ok()?;
        head.extend(length.to_be_bytes());
        let mut rest = vec![0; usize::try_from(length).unwrap() - 4];
        from.read_exact(&mut rest).await.ok()?;
        if is_started && matches!(head[0], b'E' | b'Q') {
            let number = plan.asked.fetch_add(1, Ordering::SeqCst) + 1;
            if number == plan.cut_at.load(Ordering::SeqCst) {
                is_cut.store(true, Ordering::SeqCst);
                if !plan.cuts_after.load(Ordering::SeqCst) {
                    return None;
                }
            }
        }
        const TLS: &[u8] = &80_877_103_u32.to_be_bytes();
        is_started |= rest != TLS;
        head.extend(rest);
        to.write_all(&head).await.ok()?;
    }
}

/// Passes answers on; the first one after the cut is read and dropped, and ends the connection.
async fn answer(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_cut: Arc<AtomicBool>,
) -> Option<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        if is_cut.load(Ordering::SeqCst) {
            return None;
        }
        to.write_all(&buffer[..read]).await.ok()?;
    }
}
