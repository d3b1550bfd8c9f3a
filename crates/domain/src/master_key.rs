//! The server's own keys, sealed in the database by a master key that is kept outside of it.

use data_encoding::HEXLOWER;
use kici_model::master_key::{OpenError, Sealed};
use kici_model::{Clock, Entropy, EntropyError, MasterKeyId, MasterKeys, Secret};
use kici_store::{RegisteredKey, ServerKey, Store, StoreError, StoredSecret};

use crate::{App, Trouble};

/// How many rows are read at once while they are sealed anew.
const BATCH: u64 = 100;

/// Why the configured master keys can't be used with this database.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The database needs a key that is not configured.
    #[error("the database is sealed with the master key {wanted}, which is not configured")]
    NotHeld {
        /// The key that is needed.
        wanted: MasterKeyId,
        /// The keys that are configured.
        held: Vec<MasterKeyId>,
    },
    /// A configured key has the id of the one that is needed, and is another one.
    #[error(
        "the configured master key {0} is not the one of this id that the database is sealed with"
    )]
    Mismatch(MasterKeyId),
    /// A secret is not what the master key has sealed.
    #[error("the secret `{0}` in the database is damaged: the master key does not open it")]
    Damaged(String),
    /// The database or the randomness failed.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for MasterKeyError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<EntropyError> for MasterKeyError {
    fn from(error: EntropyError) -> Self {
        Self::Trouble(error.into())
    }
}

/// The keys of the installation, opened: the same on every node.
#[derive(Debug)]
pub struct ServerKeys {
    pub(crate) cursors: Secret<String>,
    pub(crate) sign_ins: Secret<String>,
    pub(crate) master: MasterKeys,
}

impl ServerKeys {
    /// The master keys that opened them.
    #[must_use]
    pub const fn master_keys(&self) -> &MasterKeys {
        &self.master
    }

    /// Checks that the configured master keys are those of the database, and opens its keys with
    /// them. In a database without keys they are made; those that an older version stored in plain
    /// are sealed.
    ///
    /// # Errors
    /// Returns [`MasterKeyError::NotHeld`] if the database is sealed with a key that is not
    /// configured.
    pub async fn open(
        store: &Store,
        master: MasterKeys,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Self, MasterKeyError> {
        register(store, &master, clock).await?;
        let opener = Opener { store, master: &master, clock, entropy };
        let cursors = opener.secret("cursors").await?;
        let sign_ins = opener.secret("sign-ins").await?;
        Ok(Self { cursors, sign_ins, master })
    }
}

/// The ids of the master keys that the database is sealed with; none in a fresh one.
///
/// # Errors
/// The database fails.
pub async fn registered(store: &Store) -> Result<Vec<MasterKeyId>, Trouble> {
    Ok(store.master_keys().await?.into_iter().map(|key| key.id).collect())
}

/// Registers the key that seals from now on, unless a key is registered that is not configured.
/// Servers that start at the same time agree, since a position is given once.
async fn register(
    store: &Store,
    master: &MasterKeys,
    clock: &dyn Clock,
) -> Result<(), MasterKeyError> {
    let first = master.first();
    loop {
        let known = store.master_keys().await?;
        for RegisteredKey { id, check_value, .. } in &known {
            let Some(key) = master.find(id) else { return Err(not_held(master, id)) };
            if key.check_value() != check_value {
                return Err(MasterKeyError::Mismatch(id.clone()));
            }
        }
        if known.iter().any(|key| key.id == *first.id()) {
            return Ok(());
        }
        let last = known.iter().map(|key| key.position).max().unwrap_or(0);
        let fresh = RegisteredKey {
            position: last.saturating_add(1),
            id: first.id().clone(),
            check_value: first.check_value().to_owned(),
        };
        if store.register_master_key(&fresh, clock.now()).await? {
            return Ok(());
        }
    }
}

fn not_held(master: &MasterKeys, wanted: &MasterKeyId) -> MasterKeyError {
    let held = master.iter().map(|key| key.id().clone()).collect();
    MasterKeyError::NotHeld { wanted: wanted.clone(), held }
}

/// The configured master keys and what they are used on.
struct Opener<'a> {
    store: &'a Store,
    master: &'a MasterKeys,
    clock: &'a dyn Clock,
    entropy: &'a dyn Entropy,
}

impl Opener<'_> {
    /// The secret called `name`: made if there is none, sealed if it is not yet.
    async fn secret(&self, name: &str) -> Result<Secret<String>, MasterKeyError> {
        loop {
            // Read again after each write, which does nothing where another server was faster.
            match self.store.server_key(name).await? {
                None => {
                    let mut bytes = [0; 32];
                    self.entropy.fill(&mut bytes)?;
                    let sealed = self.seal(name, &Secret::new(HEXLOWER.encode(&bytes)))?;
                    self.store.insert_server_key(name, &sealed, self.clock.now()).await?;
                }
                Some(key) if matches!(key.secret, StoredSecret::Plain(_)) => {
                    self.reseal(&key).await?;
                }
                Some(key) => return self.unseal(&key),
            }
        }
    }

    fn seal(&self, name: &str, secret: &Secret<String>) -> Result<Sealed, MasterKeyError> {
        Ok(self.master.seal(&purpose(name), secret.expose().as_bytes(), self.entropy)?)
    }

    fn unseal(&self, key: &ServerKey) -> Result<Secret<String>, MasterKeyError> {
        let damaged = || MasterKeyError::Damaged(key.name.clone());
        let sealed = match &key.secret {
            StoredSecret::Plain(secret) => return Ok(secret.clone()),
            StoredSecret::Sealed(sealed) => sealed,
        };
        let opened =
            self.master.open(&purpose(&key.name), sealed).map_err(|error| match error {
                OpenError::NotHeld(wanted) => not_held(self.master, &wanted),
                OpenError::Changed => damaged(),
            })?;
        String::from_utf8(opened.expose().clone()).map(Secret::new).map_err(|_| damaged())
    }

    /// Seals a secret with the first key; returns `false` if another server has changed it meanwhile.
    async fn reseal(&self, key: &ServerKey) -> Result<bool, MasterKeyError> {
        let sealed = self.seal(&key.name, &self.unseal(key)?)?;
        Ok(self.store.reseal_server_key(key, &sealed).await?)
    }
}

/// Keeps a server key from being opened as something else that master keys seal.
fn purpose(name: &str) -> String {
    format!("server key {name}")
}

/// Seals everything in the database with the first master key. Each row is a change of its own, so
/// that servers which hold both keys go on, and a run that was broken off is finished by the next.
/// After each row `progress` gets the number of rows so far.
///
/// Returns the ids of the master keys that are registered afterwards: the first alone, unless a
/// server has sealed something with another one meanwhile.
///
/// # Errors
/// Returns [`MasterKeyError::NotHeld`] if a row is sealed with a key that is not configured.
pub async fn rotate(
    app: &App,
    mut progress: impl FnMut(u64),
) -> Result<Vec<MasterKeyId>, MasterKeyError> {
    let opener = Opener {
        store: &app.store,
        master: &app.master_keys,
        clock: &*app.clock,
        entropy: &*app.entropy,
    };
    let first = app.master_keys.first().id();
    let mut count = 0;
    loop {
        let page = app.store.server_keys_not_sealed_by(first, BATCH).await?;
        if page.is_empty() {
            break;
        }
        for key in &page {
            count += u64::from(opener.reseal(key).await?);
            progress(count);
        }
    }
    app.store.retire_master_keys_but(first).await?;
    Ok(registered(&app.store).await?)
}

impl App {
    /// The configured master keys.
    #[must_use]
    pub fn master_keys(&self) -> &MasterKeys {
        &self.master_keys
    }
}
