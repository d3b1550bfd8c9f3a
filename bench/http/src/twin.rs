//! The same endpoint by hand: poem, sqlx, the same two statements, and no layer between them. It
//! does what the platform does for this request, and knows nothing else.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use kici_bench_stage::parts::say;
use kici_bench_stage::servers::{block_on, until_let_go};
use kici_store::authn::BY_TOKEN;
use poem::http::StatusCode;
use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{Data, Json, LocalAddr, Path, RemoteAddr};
use poem::{EndpointExt, Error, Request, Result, Route, Server, get, handler};
use serde::Serialize;
use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::{Connection, FromRow, Row};
use tokio::net::{TcpListener, TcpStream};

/// As many as the platform has without being told otherwise.
const CONNECTIONS: u32 = 16;

/// How long a connection may be idle before it is asked.
const SURE: Duration = Duration::from_secs(1);

const ORG: &str = "SELECT id, alias, name, disabled_at, created_at FROM orgs WHERE id = $1";

pub(crate) fn run(database: &str) -> anyhow::Result<()> {
    block_on(async {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
        // As the platform's: nothing sweeps, and whoever was used a moment ago is not asked whether it lives.
        let pool = pool.idle_timeout(None).max_lifetime(None);
        let pool = pool.before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= SURE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
        let pool = pool.connect(database).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say(&listener.local_addr()?.to_string())?;
        let routes = Route::new().at("/api/v1/orgs/:org", get(get_org)).data(pool);
        tokio::select! {
            served = Server::new_with_acceptor(Listener(listener)).run(routes) => Ok(served?),
            ended = until_let_go() => ended,
        }
    })
}

/// What sqlx's derive would write.
macro_rules! row {
    ($name:ident { $($field:ident: $type:ty,)* }) => {
        #[expect(dead_code, reason = "what is selected is read, as in the platform")]
        struct $name { $($field: $type,)* }

        impl FromRow<'_, PgRow> for $name {
            fn from_row(row: &PgRow) -> sqlx::Result<Self> {
                Ok(Self { $($field: row.try_get(stringify!($field))?,)* })
            }
        }
    };
}

row!(Known {
    id: String,
    kind: String,
    org_id: Option<String>,
    user_id: String,
    permissions: Option<String>,
    agent_label: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    found_org: Option<String>,
    disabled_at: Option<DateTime<Utc>>,
    member: Option<String>,
    suspended_at: Option<DateTime<Utc>>,
    role_id: Option<String>,
    role_name: Option<String>,
    is_owner: Option<bool>,
    role_permissions: Option<String>,
    repo_patterns: Option<String>,
    team_id: Option<String>,
    team_name: Option<String>,
});

row!(Found {
    id: String,
    alias: String,
    name: String,
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
});

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Organization {
    id: String,
    display_name: String,
    public_alias: String,
    created_at: String,
}

#[handler]
async fn get_org(
    request: &Request,
    Path(id): Path<String>,
    Data(pool): Data<&PgPool>,
) -> Result<Json<Organization>> {
    may_enter(request, &id, pool).await?;
    let found = sqlx::query_as::<_, Found>(ORG).bind(&id).fetch_optional(pool).await;
    let found = found.map_err(broken)?.ok_or_else(|| refused(StatusCode::NOT_FOUND))?;
    Ok(Json(Organization {
        id: found.id,
        display_name: found.name,
        public_alias: found.alias,
        created_at: found.created_at.to_rfc3339_opts(SecondsFormat::Millis, true),
    }))
}

/// Whether the bearer is a member who may do something at all.
#[expect(clippy::disallowed_methods, reason = "it has no app to take the clock from")]
async fn may_enter(request: &Request, org: &str, pool: &PgPool) -> Result<()> {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| refused(StatusCode::UNAUTHORIZED))?;
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    let rows = sqlx::query_as::<_, Known>(BY_TOKEN)
        .bind(HEXLOWER.encode(digest.as_ref()))
        .bind(org)
        .fetch_all(pool)
        .await
        .map_err(broken)?;
    let known = rows.first().ok_or_else(|| refused(StatusCode::UNAUTHORIZED))?;
    let is_usable = known.revoked_at.is_none() && known.expires_at.is_none_or(|t| t > Utc::now());
    if !is_usable {
        return Err(refused(StatusCode::UNAUTHORIZED));
    }
    if known.found_org.is_none() || known.member.is_none() {
        return Err(refused(StatusCode::NOT_FOUND));
    }
    if known.disabled_at.is_some() || known.suspended_at.is_some() {
        return Err(refused(StatusCode::FORBIDDEN));
    }
    for row in &rows {
        let permissions = row.role_permissions.as_deref().unwrap_or("{}");
        serde_json::from_str::<HashMap<&str, &str>>(permissions).map_err(broken)?;
        let patterns = row.repo_patterns.as_deref().unwrap_or("[]");
        serde_json::from_str::<Vec<&str>>(patterns).map_err(broken)?;
    }
    Ok(())
}

fn refused(status: StatusCode) -> Error {
    Error::from_status(status)
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(error, StatusCode::INTERNAL_SERVER_ERROR)
}

/// Connections as the platform sets them up.
struct Listener(TcpListener);

impl Acceptor for Listener {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr().map(|address| LocalAddr(address.into())).into_iter().collect()
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, peer) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        let local = LocalAddr(stream.local_addr()?.into());
        Ok((stream, local, RemoteAddr(peer.into()), Scheme::HTTP))
    }
}
