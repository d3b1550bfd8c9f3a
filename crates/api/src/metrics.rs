//! `GET /metrics`, for Prometheus, on a listener of its own: it is for who runs the server alone, and
//! no operation of the document. `/health` and `/ready` are there too: that listener has connections of
//! its own, and answers while all others are in use.

mod accept;

use std::sync::Arc;

use kici_domain::App;
use poem::http::header;
use poem::web::Data;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Request, Response, Result, Route, get, handler};
use poem_openapi::OpenApiService;

use crate::health::Health;
use crate::routes::{TITLE, VERSION};
use crate::{document, problem, request_id};

/// What answers on the listener of the metrics.
#[must_use]
pub fn metrics(app: Arc<App>) -> impl Endpoint<Output = Response> + 'static {
    for (operation, status) in document::success_statuses() {
        app.metrics().expect_requests(operation, *status);
    }
    // Requests to addresses that are no operation.
    app.metrics().expect_requests("", 404);
    let health = OpenApiService::new(Health, TITLE, VERSION).into_endpoint();
    let routes = Route::new().at("/metrics", get(text)).nest("/", health);
    Operator { next: routes.data(app).map_to_response() }
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

/// Gives errors the body that they have elsewhere. Nothing is logged or counted: who asks does so every
/// few seconds.
struct Operator<E> {
    next: E,
}

impl<E: Endpoint<Output = Response>> Endpoint for Operator<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let arrived = request_id::assign(&mut request)?;
        let answered = self.next.call(request).await;
        let mut response = problem::answer(&arrived, answered);
        arrived.mark(&mut response);
        Ok(response)
    }
}
