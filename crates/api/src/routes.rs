//! All routes, and what every request goes through.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use kici_domain::App;
use kici_link::Hub;
use poem::endpoint::BoxEndpoint;
use poem::http::{Uri, header};
use poem::web::Html;
use poem::{
    Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Request, Response, Route, get, handler,
};
use poem_openapi::{OpenApi, OpenApiService, Tags};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::api_keys::ApiKeys;
use crate::audit::Audit;
use crate::event_log::EventLog;
use crate::health::Health;
use crate::identity_links::IdentityLinks;
use crate::invites::{Invites, PendingInvites};
use crate::members::Members;
use crate::orchestrator_keys::OrchestratorKeys;
use crate::orchestrators::Orchestrators;
use crate::orgs::{NewOrgs, Orgs};
use crate::permissions::Permissions;
use crate::personal_tokens::PersonalTokens;
use crate::rate_limits::{self, Limiter, RateLimits};
use crate::roles::Roles;
use crate::service_accounts::ServiceAccounts;
use crate::sessions::Sessions;
use crate::sign_in::{Cli, SignOut};
use crate::sources::Sources;
use crate::teams::Teams;
use crate::users::Users;
use crate::webhooks::Webhooks;
use crate::{body, document, idempotency, link, problem, request_id, sign_in};

/// What the routes work with.
#[derive(Debug, Clone)]
pub struct Platform {
    /// The application.
    pub app: Arc<App>,
    /// The live connections.
    pub hub: Arc<Hub>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[IpNet]>,
    /// The one host name that is answered to, where the server is meant for one machine alone;
    /// keeps web pages from reaching it through a name of theirs.
    pub only_host: Option<Arc<str>>,
    /// Work under way that must end even when whoever asked for it hangs up.
    pub tasks: TaskTracker,
    /// The memory set aside for bodies of webhooks, in KiB.
    pub bodies: Arc<Semaphore>,
    /// How often anybody may ask.
    pub(crate) limiter: Arc<Limiter>,
    /// Connections that have not told yet who they are.
    pub strangers: Arc<Semaphore>,
}

impl Platform {
    /// A platform with the usual bounds: 512 MiB of bodies, 1,000 strangers.
    #[must_use]
    pub fn new(app: Arc<App>, hub: Arc<Hub>) -> Self {
        Self {
            app,
            hub,
            trusted_proxies: Arc::default(),
            only_host: None,
            tasks: TaskTracker::new(),
            limiter: Arc::new(Limiter::new(RateLimits::default())),
            bodies: Arc::new(Semaphore::new(512 * 1024)),
            strangers: Arc::new(Semaphore::new(1_000)),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_rate_limits(self, limits: RateLimits) -> Self {
        Self { limiter: Arc::new(Limiter::new(limits)), ..self }
    }

    /// Forgets what nobody will be held against any more; to be called every minute or so.
    pub fn forget(&self) {
        self.limiter.forget();
    }
}

/// How the document groups operations: a word for each feature.
#[derive(Tags)]
pub(crate) enum Tag {
    /// The signed-in person.
    #[oai(rename = "user")]
    User,
    /// Accounts at other providers that are the person's.
    #[oai(rename = "identity-links")]
    IdentityLinks,
    /// Signing in and out.
    #[oai(rename = "sign-in")]
    SignIn,
    /// Sessions of browsers.
    #[oai(rename = "sessions")]
    Sessions,
    /// Personal access tokens.
    #[oai(rename = "personal-tokens")]
    PersonalTokens,
    /// The organization itself.
    #[oai(rename = "orgs")]
    Orgs,
    /// Who belongs to the organization.
    #[oai(rename = "members")]
    Members,
    /// People who may become members.
    #[oai(rename = "invites")]
    Invites,
    /// People who share roles.
    #[oai(rename = "teams")]
    Teams,
    /// What somebody may do, and why.
    #[oai(rename = "permissions")]
    Permissions,
    /// Roles.
    #[oai(rename = "roles")]
    Roles,
    /// Keys for programs.
    #[oai(rename = "api-keys")]
    ApiKeys,
    /// Programs that belong to the organization.
    #[oai(rename = "service-accounts")]
    ServiceAccounts,
    /// Keys that let orchestrators connect.
    #[oai(rename = "orchestrator-keys")]
    OrchestratorKeys,
    /// Orchestrators that are connected.
    #[oai(rename = "orchestrators")]
    Orchestrators,
    /// Webhook sources, as orchestrators register them.
    #[oai(rename = "sources")]
    Sources,
    /// Every delivery, and what became of it.
    #[oai(rename = "event-log")]
    EventLog,
    /// What was done, and what was denied.
    #[oai(rename = "audit")]
    Audit,
    /// Where providers post their webhooks.
    #[oai(rename = "webhooks")]
    Webhooks,
    /// Whether the server is up.
    #[oai(rename = "health")]
    Health,
}

pub(crate) const TITLE: &str = "KiCI Platform";
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The operations under `/api/v1`.
pub(crate) fn api() -> OpenApiService<impl OpenApi, ()> {
    // In two halves: poem-openapi takes sixteen at once.
    let people = (Users, IdentityLinks, PendingInvites, Cli, Sessions, PersonalTokens);
    let organizations = (
        NewOrgs,
        Orgs,
        Members,
        Invites,
        Teams,
        Permissions,
        Roles,
        ApiKeys,
        ServiceAccounts,
        OrchestratorKeys,
        Orchestrators,
        Sources,
        EventLog,
        Audit,
    );
    OpenApiService::new((people, organizations), TITLE, VERSION).url_prefix("/api/v1")
}

/// The operations at the root.
pub(crate) fn root() -> OpenApiService<impl OpenApi, ()> {
    OpenApiService::new((Webhooks, SignOut, Health), TITLE, VERSION)
}

/// The whole server as one endpoint; `extra` is served below its path, as everything else is.
#[must_use]
pub fn routes(
    platform: Platform,
    extra: Option<(&'static str, BoxEndpoint<'static>)>,
) -> impl Endpoint<Output = Response> + 'static {
    let (only_host, counted) = (platform.only_host.clone(), platform.app.clone());
    let mut routes = Route::new().nest("/api/v1", served());
    if let Some((path, endpoint)) = extra {
        routes = routes.nest(path, endpoint);
    }
    routes
        .nest_no_strip("/", root_routes())
        .data(platform.app.clone())
        .data(platform)
        // The work of a layer is a value that holds the work of all layers below, and is moved when
        // it begins: without these boxes that is 11 KB for the outermost one.
        .boxed()
        .before(move |request| {
            let only_host = only_host.clone();
            async move { problem::check_host(request, only_host.as_deref()) }
        })
        .before(one_slash)
        .boxed()
        .around(problem::answer)
        .around(move |next, request| request_id::assign(counted.clone(), next, request))
}

/// The API, and what each of its requests goes through, the last line first.
fn served() -> impl Endpoint + 'static {
    api()
        .into_endpoint()
        .around(idempotency::remember)
        .before(body::arrived)
        .around(rate_limits::limit)
}

fn root_routes() -> impl Endpoint + 'static {
    Route::new()
        .at("/ws", get(link::upgrade))
        .at("/auth/login", get(sign_in::login))
        .at("/auth/callback", get(sign_in::callback))
        .at("/openapi.json", get(openapi))
        .at("/docs", get(docs))
        .nest("/", root().into_endpoint())
}

/// `//api/v1` is `/api/v1`: existing clients join addresses carelessly.
async fn one_slash(mut request: Request) -> poem::Result<Request> {
    let path = request.uri().path();
    if path.starts_with("//") {
        let path = format!("/{}", path.trim_start_matches('/'));
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("{path}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    Ok(request)
}

#[handler]
fn openapi() -> Response {
    Response::builder().content_type("application/json").body(document::text())
}

/// No page elsewhere shows it in a frame: it sends what is typed into it with the cookie.
#[handler]
fn docs() -> Response {
    Html(document::page())
        .with_header(header::X_FRAME_OPTIONS, "DENY")
        .with_header(header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'")
        .into_response()
}

/// How long a request may take to arrive.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(30);
