//! Reading JSON, with the service's refusals.

use sederunt_web::fields::WrongField;

use crate::failure::Failure;

/// An object and where it stands in the request.
pub(crate) type Fields<'a> = sederunt_web::fields::Fields<'a, Failure>;

/// 400 for what is not there.
pub(crate) fn missing(path: &str) -> Failure {
    WrongField::missing(path).into()
}

/// 400 for what is of another type, or outside its bounds.
pub(crate) fn must_be(path: &str, what: &str) -> Failure {
    WrongField::must_be(path, what).into()
}
