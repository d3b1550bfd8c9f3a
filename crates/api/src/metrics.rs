//! `GET /metrics`, for Prometheus, on a listener of its own: it is for who runs the server alone, and
//! no operation of the document.

mod accept;

use std::sync::Arc;

use kici_domain::App;
use poem::http::header;
use poem::web::Data;
use poem::{Endpoint, EndpointExt, Request, Response, Route, get, handler};

use crate::document;

/// What answers on the listener of the metrics.
#[must_use]
pub fn metrics(app: Arc<App>) -> impl Endpoint<Output = Response> + 'static {
    for (operation, status) in document::success_statuses() {
        app.metrics().expect_requests(operation, *status);
    }
    // Requests to addresses that are no operation.
    app.metrics().expect_requests("", 404);
    Route::new().at("/metrics", get(text)).data(app).map_to_response()
}

#[handler]
fn text(request: &Request, app: Data<&Arc<App>>) -> Response {
    let accepted = request.headers().get_all(header::ACCEPT);
    let format = accept::preferred(accepted.iter().filter_map(|value| value.to_str().ok()));
    Response::builder()
        .content_type(format.media_type())
        .header(header::VARY, "Accept")
        .body(app.metrics().text_as(format))
}
