//! All routes, and what every request goes through.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use kici_domain::{App, Attempt};
use kici_link::Hub;
use poem::endpoint::BoxEndpoint;
use poem::http::{Uri, header};
use poem::web::Html;
use poem::{Endpoint, IntoEndpoint, IntoResponse, Request, Response, Result, Route, get, handler};
use poem_openapi::{OpenApi, OpenApiService, Tags};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::api_keys::ApiKeys;
use crate::audit::Audit;
use crate::body_budget::{BodyBudget, Share};
use crate::ci_trust::CiTrust;
use crate::cors::{Cors, Origin};
use crate::event_log::EventLog;
use crate::health::Health;
use crate::identity_links::IdentityLinks;
use crate::invites::{Invites, PendingInvites};
use crate::link::PendingLinks;
use crate::members::Members;
use crate::orchestrator_keys::{OrchestratorKeys, OwnOrchestratorKeys};
use crate::orchestrators::Orchestrators;
use crate::orgs::{NewOrgs, Orgs};
use crate::permissions::Permissions;
use crate::personal_tokens::PersonalTokens;
use crate::problem::ApiError;
use crate::rate_limits::{Counted, Limiter, RateLimits};
use crate::retry::Retries;
use crate::roles::Roles;
use crate::service_accounts::ServiceAccounts;
use crate::sessions::Sessions;
use crate::sign_in::{Cli, SignOut};
use crate::sources::Sources;
use crate::teams::Teams;
use crate::users::Users;
use crate::webhooks::Webhooks;
use crate::{
    body, client_ip, cors, credentials, denials, document, idempotency, link, problem, request_id,
    sign_in,
};

/// What the routes work with.
#[derive(Debug, Clone)]
pub struct Platform {
    /// The application.
    pub app: Arc<App>,
    /// The live connections.
    pub hub: Arc<Hub>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[IpNet]>,
    /// Origins whose pages may call the API with tokens.
    pub cors_origins: Arc<[Origin]>,
    /// The one host name that is answered to, where the server is meant for one machine alone;
    /// keeps web pages from reaching it through a name of theirs.
    pub only_host: Option<Arc<str>>,
    /// Work under way that must end even when whoever asked for it hangs up.
    pub tasks: TaskTracker,
    /// The memory set aside for bodies of webhooks.
    pub(crate) bodies: Arc<BodyBudget>,
    /// The same for those of the API: a flood of deliveries must not lock its operators out.
    pub(crate) api_bodies: Arc<BodyBudget>,
    /// And for requests whose credential has not worked lately: neither must a flood of these.
    pub(crate) unauthenticated_bodies: Arc<BodyBudget>,
    /// How often anybody may ask.
    pub(crate) limiter: Arc<Limiter>,
    /// Links that have not authenticated.
    pub(crate) pending_links: Arc<PendingLinks>,
}

impl Platform {
    /// What comes of `work`, which goes on also when whoever asked for it hangs up.
    ///
    /// # Errors
    /// It broke off.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let attempt = Attempt::current();
        let work = async move { attempt.run(work).await };
        let done = self.tasks.spawn(work.instrument(tracing::Span::current())).await;
        done.map_err(|error| ApiError::bug(&error.to_string()))
    }

    /// The platform that a request came to.
    pub(crate) fn of(request: &Request) -> Result<&Self> {
        let platform = request.data::<Arc<Self>>();
        Ok(platform.ok_or_else(|| ApiError::bug("routes without a platform"))?)
    }

    /// A platform with the usual bounds: 512 MiB of bodies of webhooks, 64 MiB and
    /// 32 MiB of others.
    #[must_use]
    pub fn new(app: Arc<App>, hub: Arc<Hub>) -> Self {
        let pending_links = PendingLinks::new(hub.limits());
        Self {
            app,
            hub,
            trusted_proxies: Arc::default(),
            cors_origins: Arc::new([]),
            only_host: None,
            tasks: TaskTracker::new(),
            limiter: Arc::new(Limiter::new(RateLimits::default())),
            bodies: BodyBudget::for_deliveries(),
            api_bodies: BodyBudget::for_api(),
            unauthenticated_bodies: BodyBudget::for_unauthenticated(),
            pending_links: Arc::new(pending_links),
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
    /// Whom CI trusts.
    #[oai(rename = "ci-trust")]
    CiTrust,
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
    // In parts: poem-openapi takes sixteen at once.
    let people =
        (Users, IdentityLinks, PendingInvites, Cli, Sessions, PersonalTokens, OwnOrchestratorKeys);
    let access =
        (NewOrgs, Orgs, Members, Invites, Teams, Permissions, Roles, ApiKeys, ServiceAccounts);
    let operation = (OrchestratorKeys, CiTrust, Orchestrators, Sources, EventLog, Audit);
    OpenApiService::new((people, access, operation), TITLE, VERSION).url_prefix("/api/v1")
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
    let platform = Arc::new(platform);
    let api = Counter { next: Arc::new(api().into_endpoint()), platform: platform.clone() };
    let mut routes = Route::new().nest("/api/v1", api);
    if let Some((path, endpoint)) = extra {
        routes = routes.nest(path, endpoint);
    }
    Entrance { next: routes.nest_no_strip("/", root_routes()), platform }
}

/// What every request goes through. One value, not a layer of the framework for each step: a layer
/// moves the request and its answer once more, and all of them together were a tenth of the work.
struct Entrance<E> {
    next: E,
    platform: Arc<Platform>,
}

impl<E: Endpoint<Output = Response>> Endpoint for Entrance<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let arrived = request_id::assign(&mut request)?;
        one_slash(&mut request);
        request.set_data(self.platform.app.clone());
        request.set_data(self.platform.clone());
        let own = self.platform.app.settings().public_url.as_deref();
        let cors = cors::check(&mut request, &self.platform.cors_origins, own);
        let answered = match problem::check_host(&request, self.platform.only_host.as_deref()) {
            Ok(()) => match cors.as_ref().and_then(Cors::preflight) {
                Some(response) => Ok(response),
                None => self.next.call(request).instrument(arrived.span.clone()).await,
            },
            Err(refused) => Err(refused.into()),
        };
        let mut response = problem::answer(&arrived, answered);
        if let Some(cors) = cors {
            cors.finish(&mut response);
        }
        arrived.answered(&mut response, self.platform.app.metrics());
        Ok(response)
    }
}

/// What every request of the API goes through: it is counted, it has arrived whole, and its answer is
/// remembered where it asks for that.
struct Counter<E> {
    next: Arc<E>,
    platform: Arc<Platform>,
}

impl<E: Endpoint<Output = Response> + 'static> Endpoint for Counter<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let limiter = &self.platform.limiter;
        let mut counted = limiter.count(&mut request, &self.platform).await?;
        let watch = denials::watch(&mut request);
        let answered = match self.arrived(&mut request, &counted).await {
            Ok(()) => self.answer(request).await,
            Err(refused) => Err(refused),
        };
        if let Some(watch) = watch {
            watch.answered(&self.platform.app, &answered);
        }
        let mut answered = match answered {
            Err(error) if error.is_from_response() => Ok(error.into_response()),
            // What the framework refuses by itself gets its body further out.
            other => other,
        };
        counted.settle(&mut answered);
        answered
    }
}

impl<E: Endpoint<Output = Response> + 'static> Counter<E> {
    /// Most requests have no body: nothing to wait for, and no memory to set aside.
    async fn arrived(&self, request: &mut Request, counted: &Counted) -> Result<()> {
        let body = request.take_body();
        if body.is_empty() {
            return Ok(());
        }
        if !counted.has_credential {
            // It is answered 401, or 404, whatever the body is: that must not take memory from others.
            body::discard(body).await;
            return Ok(());
        }
        let platform = &self.platform;
        let network = client_ip::of(request, &platform.trusted_proxies).map(client_ip::network);
        let is_known = counted.is_known;
        let credential = credentials::presented(request, &platform.app).filter(|_| is_known);
        let budget = match is_known {
            true => &platform.api_bodies,
            false => &platform.unauthenticated_bodies,
        };
        let declared = request.header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        let lease = budget.request(network, credential).of_length(declared);
        let refused =
            |share: Share| platform.app.metrics().body_refused(budget.name(), share.name());
        Box::pin(body::arrived(request, body, lease, refused)).await
    }

    async fn answer(&self, mut request: Request) -> Result<Response> {
        let Some(mut retries) = Retries::of(&mut request).await? else {
            return self.next.call(request).await;
        };
        loop {
            let answered = retries.run(Box::pin(self.answer_once(request))).await;
            match retries.next(&answered) {
                Some(again) => request = again,
                None => return answered,
            }
        }
    }

    async fn answer_once(&self, request: Request) -> Result<Response> {
        match idempotency::key(&request) {
            None => self.next.call(request).await,
            Some(key) => idempotency::remember(self.next.clone(), request, key).await,
        }
    }
}

fn root_routes() -> impl Endpoint<Output = Response> + 'static {
    Route::new()
        .at("/ws", get(link::connect))
        .at("/auth/login", get(sign_in::login))
        .at("/auth/callback", get(sign_in::callback))
        .at("/openapi.json", get(openapi))
        .at("/docs", get(docs))
        .nest("/", root().into_endpoint())
}

/// `//api/v1` is `/api/v1`: existing clients join addresses carelessly.
fn one_slash(request: &mut Request) {
    let path = request.uri().path();
    if path.starts_with("//") {
        let path = format!("/{}", path.trim_start_matches('/'));
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("{path}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
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
