//! The one error body, and the only place that knows which failure is which HTTP status.

use kici_domain::idempotency::IdempotencyError;
use kici_domain::{EnterError, Fault, Kind};
use kici_rbac::{Level, Resource};
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Request, Response, Result};
use poem_openapi::error::{ParseParamError, ParsePathError};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object, OperationId};

use crate::document;
use crate::request_id::Arrived;
use crate::retry::Contention;

/// Every error of this API.
#[derive(Debug, Clone, Default, Object)]
#[oai(skip_serializing_if_is_none, rename_all = "camelCase")]
pub(crate) struct Problem {
    /// What went wrong, and what would work: a sentence for people.
    error: String,
    /// What went wrong, for programs. Words are only ever added.
    code: String,
    /// The id of the request; it finds the request in the server's log.
    request_id: String,
    /// Every field that was refused, at once.
    fields: Option<Vec<FieldError>>,
    /// What would have been needed.
    required: Option<Requirement>,
    /// What would have been needed, where one of several is enough.
    required_any: Option<Vec<Requirement>>,
    /// The level that is held instead.
    held: Option<String>,
    /// What was made before, where its secret can't be shown again.
    id: Option<String>,
    /// Since when the organization is disabled.
    #[oai(rename = "disabled_at")]
    disabled_at: Option<String>,
}

impl Problem {
    /// What went wrong, for programs.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }
}

/// A level on a resource.
#[derive(Debug, Clone, Object)]
pub(crate) struct Requirement {
    /// The resource, such as `runs`.
    resource: String,
    /// The level, such as `write`.
    level: String,
}

/// A field that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FieldError {
    /// Which, such as `repoPatterns[0]`.
    pub(crate) path: String,
    /// Why, and what would work.
    pub(crate) message: String,
    /// At which character, where it is a pattern; counted from 0.
    pub(crate) position: Option<u32>,
}

/// A failure on its way out. `?` makes one of each error of the domain that `faults!` lists below.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: StatusCode,
    problem: Box<Problem>,
    headers: Vec<(HeaderName, HeaderValue)>,
    is_contention: bool,
}

const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::Missing => StatusCode::NOT_FOUND,
        Kind::Gone => StatusCode::GONE,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Stale => StatusCode::PRECONDITION_FAILED,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Busy | Kind::Contention => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &str, error: impl Into<String>) -> Self {
        let problem = Problem { error: error.into(), code: code.to_owned(), ..Problem::default() };
        Self { status, problem: Box::new(problem), headers: Vec::new(), is_contention: false }
    }

    /// A failure of ours that nobody outside can do anything about.
    pub(crate) fn bug(what: &str) -> Self {
        tracing::error!(what, "bug");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong here; the request id finds it in the log",
        )
    }

    /// More than the server can do at once.
    pub(crate) fn busy(what: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", what)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// What became of a delivery whose body could not be read.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.status {
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            _ => "incomplete",
        }
    }

    /// Fields that were refused, all of them at once.
    pub(crate) fn fields(fields: Vec<FieldError>) -> Self {
        let error = match fields.as_slice() {
            [one] => format!("`{}`: {}", one.path, one.message),
            many => format!("{} fields were refused; `fields` says which and why", many.len()),
        };
        let mut refused = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", error);
        refused.problem.fields = Some(fields);
        refused
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn with_headers(
        mut self,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Self {
        self.headers.extend(headers);
        self
    }
}

impl<F: Fault + 'static> From<&F> for ApiError {
    fn from(fault: &F) -> Self {
        if fault.kind() == Kind::Bug {
            tracing::error!(error = fault as &dyn std::error::Error, "failed");
        }
        let error = Self::new(status(fault.kind()), fault.code(), fault.to_string());
        match fault.kind() {
            Kind::Unauthenticated => {
                error.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Kind::Busy | Kind::Contention => {
                let error = Self { is_contention: fault.kind() == Kind::Contention, ..error };
                error.with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
            }
            Kind::TooMany => error.with_header(header::RETRY_AFTER, HeaderValue::from_static("60")),
            _ => error,
        }
    }
}

/// Makes `?` work for the errors of the domain.
macro_rules! faults {
    ($($fault:ty),* $(,)?) => {$(
        impl From<$fault> for ApiError {
            fn from(fault: $fault) -> Self {
                Self::from(&fault)
            }
        }
    )*};
}

faults! {
    kici_domain::ListError,
    kici_domain::Trouble,
    kici_domain::api_keys::ApiKeysError,
    kici_domain::event_log::EventLogError,
    kici_domain::founding::FoundingError,
    kici_domain::identity_links::IdentityLinksError,
    kici_domain::invites::InvitesError,
    kici_domain::members::MembersError,
    kici_domain::ChangeError,
    kici_domain::orchestrator_keys::OrchestratorKeysError,
    kici_domain::personal_tokens::PersonalTokensError,
    kici_domain::roles::RolesError,
    kici_domain::service_accounts::ServiceAccountsError,
    kici_domain::sessions::SessionsError,
    kici_domain::sign_in::SignInError,
    kici_domain::teams::TeamsError,
}

impl From<EnterError> for ApiError {
    fn from(error: EnterError) -> Self {
        let mut refused = Self::from(&error);
        match &error {
            EnterError::Disabled { at } => refused.problem.disabled_at = Some(at.to_string()),
            EnterError::Denied(denied) => {
                let mut required = denied.required().iter().map(requirement);
                match denied.required().len() {
                    0 => {}
                    1 => refused.problem.required = required.next(),
                    _ => refused.problem.required_any = Some(required.collect()),
                }
                refused.problem.held = denied.held().map(|level| level.to_string());
            }
            _ => {}
        }
        refused
    }
}

impl From<IdempotencyError> for ApiError {
    fn from(error: IdempotencyError) -> Self {
        let mut refused = Self::from(&error);
        if let IdempotencyError::Secret(id) = error {
            refused.problem.id = Some(id);
        }
        refused
    }
}

/// A webhook's sender has no token, so a bad signature must not ask for one.
impl From<kici_domain::webhooks::WebhookError> for ApiError {
    fn from(error: kici_domain::webhooks::WebhookError) -> Self {
        let mut refused = Self::from(&error);
        refused.headers.retain(|(name, _)| *name != header::WWW_AUTHENTICATE);
        refused
    }
}

fn requirement((resource, level): &(Resource, Level)) -> Requirement {
    Requirement::new(*resource, *level)
}

impl Requirement {
    pub(crate) fn new(resource: Resource, level: Level) -> Self {
        Self { resource: resource.to_string(), level: level.to_string() }
    }
}

/// The body waits beside the response until [`answer`] knows the request's id.
impl From<ApiError> for poem::Error {
    fn from(error: ApiError) -> Self {
        let mut response = Response::builder().status(error.status).finish();
        for (name, value) in error.headers {
            response.headers_mut().insert(name, value);
        }
        let mut failed = Self::from_response(response);
        failed.set_data(*error.problem);
        if error.is_contention {
            failed.set_data(Contention);
        }
        failed
    }
}

/// In the document every error of every operation is the same.
impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        let content =
            vec![MetaMediaType { content_type: "application/json", schema: Problem::schema_ref() }];
        MetaResponses {
            responses: vec![MetaResponse {
                description: "What went wrong",
                status: None,
                status_range: None,
                content,
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

/// The answer to a request. Gives every failure the one body, those of the framework too.
pub(crate) fn answer(arrived: &Arrived, answered: Result<Response>) -> Response {
    let mut response = match answered {
        Ok(response) => response,
        Err(error) if error.is_from_response() => error.into_response(),
        Err(error) => {
            let operation = error.data::<OperationId>().copied();
            let problem = framework(&arrived.method, arrived.uri.path(), &error);
            let mut answer = poem::Error::from(problem).into_response();
            operation.into_iter().for_each(|id| answer.set_data(id));
            answer
        }
    };
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id = arrived.id.to_string();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.set_body(problem.to_json_string());
    }
    response
}

/// What the framework refuses by itself: unknown paths, wrong methods, unreadable parameters.
fn framework(method: &Method, path: &str, error: &poem::Error) -> ApiError {
    let status = error.status();
    match status {
        StatusCode::NOT_FOUND => {
            ApiError::new(status, "not_found", "There is nothing at this address")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            // What is not in the document can only be read.
            let mut allowed = document::methods(path).join(", ");
            if allowed.is_empty() {
                allowed = "GET".to_owned();
            }
            let text = format!("`{method}` does not work here, only {allowed}");
            let refused = ApiError::new(status, "method_not_allowed", text);
            match HeaderValue::from_str(&allowed) {
                Ok(allowed) => refused.with_header(header::ALLOW, allowed),
                Err(_) => refused,
            }
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(status, "too_large", "The body is too large")
        }
        status if status.is_server_error() => ApiError::bug(&error.to_string()),
        status => ApiError::new(status, "bad_request", unreadable(error)),
    }
}

/// What could not be read. The framework's own words name its types, and count the parameters of a
/// path.
fn unreadable(error: &poem::Error) -> String {
    let (what, reason) = if let Some(error) = error.downcast_ref::<ParsePathError>() {
        ("the address".to_owned(), error.reason.as_str())
    } else if let Some(error) = error.downcast_ref::<ParseParamError>() {
        (format!("`{}`", error.name), error.reason.as_str())
    } else {
        return error.to_string();
    };
    let reason = reason.split_once("\": ").map_or(reason, |(_, rest)| rest);
    let reason = reason.split_once(" (occurred while").map_or(reason, |(reason, _)| reason);
    format!("{what}: {reason}")
}

/// Refuses requests that were sent to another name than `only`, where there is one.
pub(crate) fn check_host(request: &Request, only: Option<&str>) -> Result<(), ApiError> {
    let Some(only) = only else { return Ok(()) };
    let host = request.header(header::HOST).unwrap_or_default();
    let port = |digits: &str| digits.bytes().all(|c| c.is_ascii_digit());
    let name =
        host.rsplit_once(':').filter(|(_, digits)| port(digits)).map_or(host, |(name, _)| name);
    if [only, "localhost", "127.0.0.1", "[::1]"].contains(&name) {
        Ok(())
    } else {
        let error = format!("This server answers on this machine only, not as `{name}`");
        Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", error))
    }
}
