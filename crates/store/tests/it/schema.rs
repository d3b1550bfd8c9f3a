//! What every table of a tenant has.

use kici_testkit::{Database, on_both_databases};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

/// Tables with an `org_id`, and whether an index or the primary key begins with it.
const ON_SQLITE: &str = "
SELECT t.name AS name, EXISTS (
    SELECT 1 FROM pragma_index_list(t.name) l JOIN pragma_index_info(l.name) i
    WHERE i.seqno = 0 AND i.name = 'org_id'
) AS is_led
FROM sqlite_master t JOIN pragma_table_info(t.name) c
WHERE t.type = 'table' AND c.name = 'org_id' ORDER BY t.name";
const ON_POSTGRES: &str = "
SELECT t.relname::text AS name, EXISTS (
    SELECT 1 FROM pg_index i WHERE i.indrelid = t.oid AND i.indkey[0] = c.attnum
) AS is_led
FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid
WHERE t.relkind = 'r' AND c.attname = 'org_id' ORDER BY t.relname";

/// All tables with an `org_id`, and those of them that no index leads into by it.
async fn tables(database: &Database) -> (usize, Vec<String>) {
    let db = sea_orm::Database::connect(database.url()).await.unwrap();
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Sqlite { ON_SQLITE } else { ON_POSTGRES };
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    let is_led = |row: &&sea_orm::QueryResult| row.try_get::<bool>("", "is_led").unwrap();
    let bare = rows.iter().filter(|row| !is_led(row));
    let bare = bare.map(|row| row.try_get("", "name").unwrap()).collect();
    db.close().await.unwrap();
    (rows.len(), bare)
}

on_both_databases! {
    async fn an_index_of_every_tenant_table_begins_with_the_organisation(database: Database) {
        let (count, bare) = tables(&database).await;
        assert!(count >= 15, "the schema has lost its tables: {count}");
        assert_eq!(bare, [""; 0], "no index of these begins with `org_id`: add one to the migration");
        let columns = "(id TEXT PRIMARY KEY, org_id TEXT, UNIQUE (id, org_id))";
        kici_migration::execute(database.url(), &format!("CREATE TABLE bare {columns}")).await.unwrap();
        assert_eq!(tables(&database).await, (count + 1, vec!["bare".to_owned()]));
    }
}
