//! `/webhook/{org}/…`, where providers post. The orchestrator's verdict is the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use kici_domain::Fault;
use kici_domain::webhooks::{self, Accepted, Incoming, Target};
use kici_model::delivery::MAX_BODY;
use poem::http::{HeaderMap, header};
use poem::web::Data;
use poem::{Body, Request, RequestBody, Result};
use poem_openapi::param::Path;
use poem_openapi::payload::{Binary, Json, Payload, Response};
use poem_openapi::registry::{MetaMediaType, MetaRequest};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, Object, OpenApi};
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::body::{discard, too_large, within};
use crate::body_budget::Share;
use crate::client_ip;
use crate::declared::Declared;
use crate::problem::ApiError;
use crate::rate_limits::{CountedDelivery, Left};
use crate::routes::{Platform, Tag};

/// What becomes of an accepted delivery.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct WebhookAccepted {
    /// `accepted`: an orchestrator has verified the delivery and taken it.
    status: String,
    /// The id under which the event log has it.
    delivery_id: String,
}

/// A request with its headers and a body of any type, not read yet.
pub(crate) struct Posted {
    headers: BTreeMap<String, String>,
    declared: Option<usize>,
    remote: Option<std::net::IpAddr>,
    body: Body,
}

impl<'a> ApiExtractor<'a> for Posted {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let schema = Binary::<Vec<u8>>::schema_ref();
        let content = vec![MetaMediaType { content_type: Binary::<Vec<u8>>::CONTENT_TYPE, schema }];
        Some(MetaRequest { description: Some("Any body, up to 25 MiB"), content, required: false })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let platform = Platform::of(request)?;
        let declared = request.header(header::CONTENT_LENGTH);
        Ok(Self {
            headers: headers(request.headers()),
            declared: declared.and_then(|length| length.parse().ok()),
            remote: client_ip::of(request, &platform.trusted_proxies),
            body: body.take()?,
        })
    }
}

/// All headers, since only the orchestrator knows which one carries the credential; but no cookies,
/// and nothing that belongs to the connection.
fn headers(all: &HeaderMap) -> BTreeMap<String, String> {
    const LEFT_OUT: [&str; 8] = [
        "cookie",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
    ];
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in all {
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        kept.entry(name.as_str().to_owned())
            .and_modify(|earlier| *earlier = format!("{earlier}, {value}"))
            .or_insert_with(|| value.into_owned());
    }
    kept
}

pub(crate) struct Webhooks;

#[OpenApi(tag = "Tag::Webhooks")]
impl Webhooks {
    /// A GitHub App posts here.
    ///
    /// Each organization has one such address; the App is told by
    /// `X-GitHub-Hook-Installation-Target-ID`.
    #[oai(path = "/webhook/:org/github", method = "post", operation_id = "webhooks_github")]
    #[expect(clippy::too_many_arguments, reason = "five of them stand in the document alone")]
    async fn github(
        &self,
        org: Path<String>,
        /// The number of the App.
        #[oai(name = "X-GitHub-Hook-Installation-Target-ID")]
        _app: Declared<true>,
        /// `integration`: the webhook of an App.
        #[oai(name = "X-GitHub-Hook-Installation-Target-Type")]
        _target: Declared<true>,
        /// The id of the delivery. Once it was accepted, a repetition with the same body gets the
        /// same answer, and with another body 409.
        #[oai(name = "X-GitHub-Delivery")]
        _delivery: Declared<true>,
        /// What happened.
        #[oai(name = "X-GitHub-Event")]
        _event: Declared<true>,
        /// `sha256=` and the HMAC of the body: for the orchestrator, which refuses it with 401.
        #[oai(name = "X-Hub-Signature-256")]
        _signature: Declared<false>,
        platform: Data<&Arc<Platform>>,
        posted: Posted,
    ) -> Result<Response<Json<WebhookAccepted>>, ApiError> {
        take(&platform, &org.0, Target::GitHub, posted).await
    }

    /// Anything else posts here, each source at an address of its own.
    #[oai(
        path = "/webhook/:org/generic/:source",
        method = "post",
        operation_id = "webhooks_generic"
    )]
    async fn generic(
        &self,
        org: Path<String>,
        /// The source's name, or the last part of its routing key.
        source: Path<String>,
        /// The id of the delivery; `X-Request-Id` and `X-Idempotency-Key` stand in for it, and
        /// without all three the server draws one.
        #[oai(name = "X-Delivery-Id")]
        _delivery: Declared<false>,
        /// What happened; the headers of Gitea, Gogs, GitLab and GitHub stand in for it.
        #[oai(name = "X-Event-Type")]
        _event: Declared<false>,
        platform: Data<&Arc<Platform>>,
        posted: Posted,
    ) -> Result<Response<Json<WebhookAccepted>>, ApiError> {
        take(&platform, &org.0, Target::Generic(&source.0), posted).await
    }
}

async fn take(
    platform: &Platform,
    org: &str,
    target: Target<'_>,
    posted: Posted,
) -> Result<Response<Json<WebhookAccepted>>, ApiError> {
    let source = match target {
        // Trimmed as the domain does: one source must not have several buckets.
        Target::GitHub => posted.headers.get(webhooks::GITHUB_APP).map_or("", |app| app.trim()),
        Target::Generic(segment) => segment,
    };
    let source = source.to_owned();
    let counted = match platform.limiter.deliver(posted.remote, org, &source) {
        Ok(counted) => counted,
        Err(refused) => {
            platform.app.metrics().delivered("rate_limited", 0);
            return posted.refuse(refused).await;
        }
    };
    let told = counted.left.into_iter().flat_map(Left::told);
    match answer(platform, org, target, &source, posted, counted).await {
        Ok(accepted) => {
            let accepted = Response::new(Json(accepted));
            Ok(told.fold(accepted, |accepted, (name, value)| accepted.header(name, value)))
        }
        Err(error) => Err(error.with_headers(told)),
    }
}

impl Posted {
    /// Refuses without using the body. Who waits for leave to send it has not sent anything, and reads
    /// the answer at once.
    async fn refuse<T>(self, error: ApiError) -> Result<T, ApiError> {
        if !self.headers.contains_key("expect") {
            discard(self.body).await;
        }
        Err(error)
    }
}

async fn answer(
    platform: &Platform,
    org: &str,
    target: Target<'_>,
    source: &str,
    posted: Posted,
    counted: CountedDelivery,
) -> Result<WebhookAccepted, ApiError> {
    let app = &platform.app;
    if posted.declared.is_some_and(|length| length > MAX_BODY) {
        app.metrics().delivered("too_large", 0);
        platform.limiter.strayed(posted.remote);
        return posted.refuse(too_large(MAX_BODY)).await;
    }
    let found = match webhooks::find(app, org, target, &posted.headers).await {
        Ok(found) => found,
        Err(error) => {
            app.metrics().delivered(error.code(), 0);
            platform.limiter.strayed(posted.remote);
            return posted.refuse(error.into()).await;
        }
    };
    platform.limiter.found(org, source);
    let Posted { headers, remote, body, declared } = posted;
    let client_ip = remote.map(|address| address.to_string());
    let lease = platform.bodies.delivery(org, counted.network, counted.is_verified);
    let refused = |share: Share| {
        app.metrics().body_refused(platform.bodies.name(), share.name());
        webhooks::note_refused_body(app, &found, &headers, client_ip.as_deref(), share.reason());
    };
    let body = within(body, MAX_BODY, lease.of_length(declared), refused).await;
    let (body, lease) = body.inspect_err(|error| app.metrics().delivered(error.outcome(), 0))?;
    let incoming = Incoming { headers, client_ip, body };
    // A task of its own: a sender that hangs up must not stop what an orchestrator already has.
    let (tell, told) = oneshot::channel();
    let (app, limiter) = (platform.app.clone(), platform.limiter.clone());
    let delivery = async move {
        // The body is gone with its answer, which nobody hears when the sender has hung up; what is
        // written later has none.
        let answered = |answer: Result<Accepted, _>| {
            if answer.as_ref().is_ok_and(|accepted| accepted.is_verified) {
                limiter.verified(&counted);
            }
            drop((lease, tell.send(answer)));
        };
        webhooks::deliver(&app, found, incoming, answered).await;
    };
    platform.tasks.spawn(delivery.instrument(tracing::Span::current()));
    let answer = told.await.map_err(|_| ApiError::bug("a delivery ended without an answer"))?;
    let delivery_id = answer?.id.to_string();
    Ok(WebhookAccepted { status: "accepted".to_owned(), delivery_id })
}
