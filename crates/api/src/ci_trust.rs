//! `/orgs/{org}/trust-policies`

use std::sync::Arc;

use kici_domain::{App, ci_trust};
use kici_model::ci_trust::CiTrustPolicy;
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::Header;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::etag;
use crate::org::Org;
use crate::problem::ApiError;
use crate::routes::Tag;

/// What CI does with changes by those whom it does not trust.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct TrustPolicies {
    /// On pull requests from forks: `hold` until somebody approves, `reject`, or `allow`.
    fork_policy: String,
    /// On people who are not known: `hold` or `reject`.
    unknown_contributor_policy: String,
    /// On changes of workflows: `hold`, `reject` or `allow`.
    workflow_change_policy: String,
    /// After how many hours a run that nobody has approved is given up: 1 to 720.
    approval_expiry_hours: u32,
}

impl Form for TrustPolicies {
    type Command = CiTrustPolicy;

    fn read(fields: &mut Fields) -> Option<CiTrustPolicy> {
        let hours = CiTrustPolicy::EXPIRY_HOURS;
        let (low, high) = (u32::from(*hours.start()), u32::from(*hours.end()));
        let fork = fields.required("forkPolicy");
        let unknown = fields.required("unknownContributorPolicy");
        let workflow = fields.required("workflowChangePolicy");
        let hours = fields.required_number("approvalExpiryHours", low..=high);
        Some(CiTrustPolicy {
            fork_policy: fork?,
            unknown_contributor_policy: unknown?,
            workflow_change_policy: workflow?,
            approval_expiry_hours: hours?.try_into().ok()?,
        })
    }
}

#[derive(ApiResponse)]
pub(crate) enum Found {
    /// What is decided, and what stands for it as it is now.
    #[oai(status = 200)]
    Found(Json<TrustPolicies>, #[oai(header = "ETag")] String),
}

pub(crate) struct CiTrust;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::CiTrust")]
impl CiTrust {
    /// What CI does with changes by those whom it does not trust. Until somebody decides otherwise,
    /// all of them are held, for 72 hours.
    #[oai(path = "/trust-policies", method = "get", operation_id = "ci_trust_get")]
    async fn get(
        &self,
        org: Org<perm::CiTrustRead>,
        app: Data<&Arc<App>>,
    ) -> Result<Found, ApiError> {
        Ok(found(ci_trust::policy(&app, &org).await?))
    }

    /// Decide all four. Connected orchestrators are told within a second.
    #[oai(path = "/trust-policies", method = "put", operation_id = "ci_trust_set")]
    async fn set(
        &self,
        org: Org<perm::CiTrustAdmin>,
        app: Data<&Arc<App>>,
        /// The `ETag` that the change was made for; without it, whatever is there is changed.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Body<TrustPolicies>,
    ) -> Result<Found, ApiError> {
        let tags = etag::wanted(if_match.0.as_deref());
        Ok(found(ci_trust::set_policy(&app, &org, tags.as_deref(), body.0).await?))
    }
}

fn found(policy: CiTrustPolicy) -> Found {
    let etag = etag::of(&policy.tag());
    Found::Found(Json(policy.into()), etag)
}

impl From<CiTrustPolicy> for TrustPolicies {
    fn from(policy: CiTrustPolicy) -> Self {
        Self {
            fork_policy: policy.fork_policy.to_string(),
            unknown_contributor_policy: policy.unknown_contributor_policy.to_string(),
            workflow_change_policy: policy.workflow_change_policy.to_string(),
            approval_expiry_hours: policy.approval_expiry_hours.into(),
        }
    }
}
