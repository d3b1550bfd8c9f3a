//! The provider's keys, kept for a while and fetched again when a token names another one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kici_domain::metrics::ProviderEndpoint;
use kici_domain::ports::IdentityError;
use kici_model::Timestamp;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::discovery::Metadata;
use crate::http::{Http, HttpError};
use crate::jwk::{Algorithm, Jwk, Key};

/// How long what was fetched is good without a question.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How long it is used all the same while the provider does not answer.
const STALE: Duration = Duration::from_secs(60 * 60);
/// How long what is there waits for what is new. Once that was in vain nothing waits until the
/// provider has answered again.
const BRIEFLY: Duration = Duration::from_secs(1);
/// How long to wait between two questions: anybody may send a token with a key that nobody knows.
const PAUSE: Duration = Duration::from_secs(10);
/// The most keys that are kept.
const MOST: usize = 100;

/// What was fetched.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) metadata: Metadata,
    keys: Vec<Key>,
    at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

/// The provider's metadata and keys.
#[derive(Debug)]
pub(crate) struct Keys {
    issuer: Url,
    name: String,
    known: RwLock<Option<Arc<Known>>>,
    /// When the provider was last asked. Whoever holds it asks, and the others wait for the answer.
    asked: Mutex<Option<Timestamp>>,
    /// Whether it did not answer in time when it was last asked.
    is_slow: AtomicBool,
}

impl Keys {
    pub(crate) fn new(issuer: Url, name: String) -> Self {
        let (known, asked, is_slow) = Default::default();
        Self { issuer, name, known, asked, is_slow }
    }

    /// The keys that can have signed a token: none, where the provider has none either.
    pub(crate) async fn for_token(
        self: &Arc<Self>,
        http: &Arc<Http>,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Vec<Key>, IdentityError> {
        let fitting = |known: &Known| -> Vec<Key> {
            known.keys.iter().filter(|key| key.fits(kid, algorithm)).cloned().collect()
        };
        let known = self.known(http, now).await?;
        let found = fitting(&known);
        if !found.is_empty() {
            return Ok(found);
        }
        // A new key, or a made-up one.
        let known = self.fetch(http, now, Some(known)).await?;
        Ok(fitting(&known))
    }

    /// Metadata and keys, fresh if they can be had soon, or if they can't be used otherwise.
    pub(crate) async fn known(
        self: &Arc<Self>,
        http: &Arc<Http>,
        now: Timestamp,
    ) -> Result<Arc<Known>, IdentityError> {
        match self.kept() {
            Some(known) if is_within(known.at, now, FRESH) => Ok(known),
            Some(known) if is_within(known.at, now, STALE) => {
                self.refresh(http, now, &known).await;
                Ok(self.kept().unwrap_or(known))
            }
            kept => self.fetch(http, now, kept).await,
        }
    }

    /// Has the provider asked, and waits for the answer as long as that is worth it.
    async fn refresh(self: &Arc<Self>, http: &Arc<Http>, now: Timestamp, kept: &Arc<Known>) {
        let is_slow = self.is_slow.load(Ordering::Relaxed);
        // While somebody asks a provider that is slow, nobody queues up behind them.
        if is_slow && self.asked.try_lock().is_err() {
            return;
        }
        let (keys, http, kept) = (self.clone(), http.clone(), kept.clone());
        let asked = tokio::spawn(async move {
            let found = keys.fetch_once(&http, now, Some(&kept)).await;
            // What is kept comes back once more while the provider is away.
            let is_new = found.is_ok_and(|found| !Arc::ptr_eq(&found, &kept));
            if is_new {
                keys.is_slow.store(false, Ordering::Relaxed);
            }
        });
        if !is_slow && tokio::time::timeout(BRIEFLY, asked).await.is_err() {
            self.is_slow.store(true, Ordering::Relaxed);
        }
    }

    fn kept(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the provider, in a task of its own: a caller who hangs up must not end what others wait
    /// for. `than` is what was not enough.
    async fn fetch(
        self: &Arc<Self>,
        http: &Arc<Http>,
        now: Timestamp,
        than: Option<Arc<Known>>,
    ) -> Result<Arc<Known>, IdentityError> {
        let (keys, http) = (self.clone(), http.clone());
        let asked = tokio::spawn(async move { keys.fetch_once(&http, now, than.as_ref()).await });
        asked.await.map_err(|error| IdentityError::Unavailable(Box::new(error)))?
    }

    /// Asks, unless somebody else has just done so.
    async fn fetch_once(
        &self,
        http: &Http,
        now: Timestamp,
        than: Option<&Arc<Known>>,
    ) -> Result<Arc<Known>, IdentityError> {
        let mut asked = self.asked.lock().await;
        let kept = self.kept();
        match (&kept, than) {
            (Some(kept), Some(than)) if !Arc::ptr_eq(kept, than) => return Ok(kept.clone()),
            (Some(kept), None) => return Ok(kept.clone()),
            _ => {}
        }
        let usable = kept.filter(|kept| is_within(kept.at, now, STALE));
        if asked.is_some_and(|at| is_within(at, now, PAUSE)) {
            return usable.ok_or_else(|| HttpError::Busy.into());
        }
        *asked = Some(now);
        match self.ask(http, now).await {
            Ok(known) => {
                let known = Arc::new(known);
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
                Ok(known)
            }
            Err(error) => usable.ok_or_else(|| error.into()),
        }
    }

    async fn ask(&self, http: &Http, now: Timestamp) -> Result<Known, HttpError> {
        let metadata = Metadata::fetch(http, &self.issuer, &self.name).await?;
        let jwks: Jwks = http.document(ProviderEndpoint::Keys, &metadata.jwks()?).await?;
        // A key of a kind that is not known here may look like anything.
        let read = |value| serde_json::from_value::<Jwk>(value).ok();
        let keys = jwks.keys.into_iter().take(MOST).filter_map(read);
        let keys = keys.filter_map(|jwk| Key::from_jwk(&jwk)).collect();
        Ok(Known { metadata, keys, at: now })
    }
}

/// Whether `at` is not longer ago than `span`; a clock that was set back makes it long ago.
fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    at <= now && now < at + span
}
