//! Which master keys are registered.

use kici_model::{MasterKey, MasterKeys};
use kici_store::{RegisteredKey, Store};
use kici_testkit::{Database, on_both_databases};

use crate::world::{entropy, now};

fn registered(key: &MasterKey, position: i32) -> RegisteredKey {
    let check_value = key.check_value().to_owned();
    RegisteredKey { position, id: key.id().clone(), check_value }
}

on_both_databases! {
    async fn a_position_and_an_id_are_given_once(database: Database) {
        let store = Store::open(database.url(), 2).await.unwrap();
        let key = || MasterKey::generate(&entropy()).unwrap().0;
        let (one, other) = (registered(&key(), 1), key());
        let register = async |key: RegisteredKey| store.register_master_key(&key, now()).await.unwrap();
        assert!(register(one.clone()).await);
        assert!(!register(one.clone()).await);
        assert!(!register(registered(&other, 1)).await);
        assert!(!register(RegisteredKey { position: 2, ..one.clone() }).await);
        assert!(register(registered(&other, 2)).await);
        assert_eq!(store.master_keys().await.unwrap(), [one, registered(&other, 2)]);
    }

    async fn a_key_that_has_something_sealed_stays_registered(database: Database) {
        let store = Store::open(database.url(), 2).await.unwrap();
        let key = || MasterKey::generate(&entropy()).unwrap().0;
        let (old, idle, new) = (key(), key(), key());
        for (position, key) in (1..).zip([&old, &idle, &new]) {
            assert!(store.register_master_key(&registered(key, position), now()).await.unwrap());
        }
        let seal = |key: &MasterKey| {
            MasterKeys::new([key.clone()]).unwrap().seal("a", b"secret", &entropy()).unwrap()
        };
        store.insert_server_key("a", &seal(&old), now()).await.unwrap();
        store.retire_master_keys_but(new.id()).await.unwrap();
        assert_eq!(store.master_keys().await.unwrap(), [registered(&old, 1), registered(&new, 3)]);
        let rows = store.server_keys_not_sealed_by(new.id(), 10).await.unwrap();
        assert_eq!(rows.len(), 1);
        let row = rows.first().unwrap();
        let resealed = seal(&new);
        assert!(store.reseal_server_key(row, &resealed).await.unwrap());
        // What another server has changed meanwhile is left as it is.
        assert!(!store.reseal_server_key(row, &seal(&old)).await.unwrap());
        assert!(store.server_keys_not_sealed_by(new.id(), 10).await.unwrap().is_empty());
        store.retire_master_keys_but(new.id()).await.unwrap();
        assert_eq!(store.master_keys().await.unwrap(), [registered(&new, 3)]);
    }
}
