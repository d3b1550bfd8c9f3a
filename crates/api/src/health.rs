//! `/health` and `/ready`

use std::sync::Arc;

use kici_domain::App;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use crate::problem::ApiError;
use crate::routes::Tag;

/// The server's state.
#[derive(Debug, Object)]
pub(crate) struct HealthStatus {
    /// `ok`
    status: String,
}

pub(crate) struct Health;

#[OpenApi(tag = "Tag::Health")]
impl Health {
    /// The process runs. Orchestrators ask here whether the platform is reachable.
    #[oai(path = "/health", method = "get", operation_id = "health_get")]
    async fn health(&self) -> Json<HealthStatus> {
        ok()
    }

    /// The process runs and its database takes writes: one row is committed, at most once a second.
    #[oai(path = "/ready", method = "get", operation_id = "health_ready")]
    async fn ready(&self, app: Data<&Arc<App>>) -> Result<Json<HealthStatus>, ApiError> {
        app.ready().await?;
        Ok(ok())
    }
}

fn ok() -> Json<HealthStatus> {
    Json(HealthStatus { status: "ok".to_owned() })
}
