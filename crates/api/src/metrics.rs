//! `GET /metrics`, for Prometheus, on a listener of its own: it is for who runs the server alone, and
//! no operation of the document.

use std::sync::Arc;

use kici_domain::App;
use kici_domain::metrics::MEDIA_TYPE;
use poem::web::Data;
use poem::{Endpoint, EndpointExt, Response, Route, get, handler};

/// What answers on the listener of the metrics.
#[must_use]
pub fn metrics(app: Arc<App>) -> impl Endpoint<Output = Response> + 'static {
    Route::new().at("/metrics", get(text)).data(app).map_to_response()
}

#[handler]
fn text(app: Data<&Arc<App>>) -> Response {
    Response::builder().content_type(MEDIA_TYPE).body(app.metrics().text())
}
