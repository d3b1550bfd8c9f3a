//! The door of everything under an organization, as an extractor: it authenticates, checks, and by
//! the same type writes into the document what the operation needs.

use std::ops::Deref;

use kici_domain::access;
use kici_model::OrgId;
use kici_rbac::Permission;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::credentials;
use crate::denials;
use crate::idempotency;
use crate::problem::ApiError;
use crate::text::Txt;

/// Somebody who holds `P` in the organization of the path.
///
/// It must be the first argument of a handler and be called `org`: path parameters go by position.
pub(crate) struct Org<P: Permission>(kici_domain::Org<P>);

impl<P: Permission> Org<P> {
    /// The domain's own value, for work that outlives the handler.
    pub(crate) fn into_inner(self) -> kici_domain::Org<P> {
        self.0
    }
}

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
        credentials::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        credentials::schemes(&P::NEED)
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
        let knock = credentials::Knock::of(request)?;
        let org = request.raw_path_param(options.name).unwrap_or_default();
        let entered = access::enter::<P>(knock.app, knock.caller(), org).await;
        knock.check_rates()?;
        let org = entered.map_err(ApiError::from)?;
        denials::entered(request, || org.entered());
        idempotency::claim(request, org.actor()).await?;
        Ok(Self(org))
    }
}
