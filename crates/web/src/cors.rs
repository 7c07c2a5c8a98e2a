//! Cross-origin requests from browsers, for the origins that the configuration names.

use axum::body::Body;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

/// The origins that may ask.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Vec<HeaderValue>,
    any: bool,
}

/// How long a browser may remember the answer to a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const EXPOSED: HeaderValue = HeaderValue::from_static("x-request-id, sederunt-hint, retry-after");

impl Cors {
    /// For these origins; `*` stands for any. `None` if there are none; an error if one cannot stand in a header.
    pub fn new(origins: &[String]) -> Result<Option<Self>, InvalidHeaderValue> {
        let any = origins.iter().any(|o| o == "*");
        let origins = origins.iter().map(|o| o.parse()).collect::<Result<Vec<HeaderValue>, _>>()?;
        Ok((!origins.is_empty()).then_some(Self { origins, any }))
    }

    /// The origin of a request, if it may ask.
    pub fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        (self.any || self.origins.contains(origin)).then(|| origin.clone())
    }

    /// The answer to a preflight; `None` if the request is none.
    pub fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let asks = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD).is_some();
        if request.method() != Method::OPTIONS || !asks {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Some(origin) = self.origin(request.headers()) {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            // Which headers a dialect's clients send is theirs to know: what is asked for is allowed, since the
            // credential is one of them and no cookie ever is.
            if let Some(wanted) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            }
            allow(headers, origin);
        }
        Some(response)
    }
}

/// Marks a response as readable by `origin`.
pub fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from(HeaderName::from_static("origin")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preflight(origin: &str) -> Request<()> {
        Request::options("/x")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
            .body(())
            .unwrap()
    }

    #[test]
    fn only_named_origins_may_ask() {
        let cors = Cors::new(&["http://a.test".to_owned()]).unwrap().unwrap();
        let allowed = |origin| {
            let response = cors.preflight(&preflight(origin)).unwrap();
            response.headers().get("access-control-allow-origin").cloned()
        };
        assert_eq!(allowed("http://a.test"), Some("http://a.test".parse().unwrap()));
        assert_eq!(allowed("http://b.test"), None);
        assert!(cors.preflight(&Request::options("/x").body(()).unwrap()).is_none());
        assert!(Cors::new(&[]).unwrap().is_none());
        assert!(Cors::new(&["http://a\n".to_owned()]).is_err());
    }
}
