//! The door of everything under an organisation, as an extractor: it authenticates, checks, and
//! by the same type writes into the document what the operation needs.

use std::ops::Deref;
use std::sync::Arc;

use kici_domain::App;
use kici_domain::access::{self, Caller};
use kici_model::OrgId;
use kici_rbac::{Need, Permission};
use poem::http::header::AUTHORIZATION;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, MetaSecurityScheme, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::document::MARK;
use crate::problem::ApiError;
use crate::request_id;
use crate::text::Txt;

/// Somebody who holds `P` in the organisation of the path.
///
/// It must be the first argument of a handler and be called `org`: path parameters go by position.
pub(crate) struct Org<P: Permission>(kici_domain::Org<P>);

impl<P: Permission> Deref for Org<P> {
    type Target = kici_domain::Org<P>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'a, P: Permission> ApiExtractor<'a> for Org<P> {
    const TYPES: &'static [ApiExtractorType] =
        &[ApiExtractorType::SecurityScheme, ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;
    type ParamType = String;
    type ParamRawType = String;

    fn register(registry: &mut Registry) {
        registry.create_security_scheme("bearer", bearer());
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["bearer", mark(&P::NEED)]
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(Txt::<OrgId>::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        let app =
            request.data::<Arc<App>>().ok_or_else(|| ApiError::bug("routes without an app"))?;
        let request_id = request_id::of(request);
        let caller = Caller { token: token(request), request_id: &request_id };
        let org = request.raw_path_param(options.name).unwrap_or_default();
        let entered = access::enter::<P>(app, caller, org).await;
        Ok(Self(entered.map_err(ApiError::from)?))
    }
}

fn token(request: &Request) -> Option<&str> {
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// poem-openapi has no extensions on operations, so the need travels among the security schemes,
/// where [`crate::document`] finds it. It wants them `'static`; an operation asks once or twice in
/// the life of a process, so the few bytes are left to it.
fn mark(need: &Need) -> &'static str {
    format!("{MARK}{need}").leak()
}

fn bearer() -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "http",
        description: Some("A personal access token (`kici_pat_…`) or an API key (`kici_sk_…`)."),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}
