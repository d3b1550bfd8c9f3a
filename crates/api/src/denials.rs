//! Changes that are denied to somebody who was let in, such as giving away what they do not have. The
//! door notes what it denies itself; this is for what only the change finds out.

use std::sync::{Arc, OnceLock};

use kici_domain::App;
use kici_domain::notes::Entered;
use poem::http::{Method, StatusCode};
use poem::{Request, Response, Result};

use crate::problem::Problem;

/// Whom a door has let in, once one has.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<OnceLock<Entered>>);

/// Watches a request that may change something.
pub(crate) fn watch(request: &mut Request) -> Option<Watch> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let watch = Watch::default();
    request.set_data(watch.clone());
    Some(watch)
}

/// A door has let somebody in.
pub(crate) fn entered(request: &Request, who: impl FnOnce() -> Entered) {
    if let Some(Watch(watch)) = request.data::<Watch>() {
        watch.get_or_init(who);
    }
}

impl Watch {
    /// Notes what has become of the request, where that is worth it.
    pub(crate) fn answered(&self, app: &App, answered: &Result<Response>) {
        let Some(entered) = self.0.get() else { return };
        let Err(error) = answered else { return };
        let problem = error.data::<Problem>().filter(|_| error.status() == StatusCode::FORBIDDEN);
        if let Some(problem) = problem {
            app.note_denied(entered, problem.code());
        }
    }
}
