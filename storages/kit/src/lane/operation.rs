//! Requests of one operation, as what they are.

use lessor::storage::{Claim, Get, Release, Renewal, Request};

/// What is asked by one of the operations that travel together.
pub trait Shared: Sized {
    /// `None`: it asks for something else.
    fn of(request: &Request) -> Option<&Self>;
}

macro_rules! shared {
    ($($variant:ident($request:ident)),*) => {$(
        impl Shared for $request {
            fn of(request: &Request) -> Option<&Self> {
                match request {
                    Request::$variant(request) => Some(request),
                    _ => None,
                }
            }
        }
    )*};
}

shared!(Acquire(Claim), Renew(Renewal), Release(Release), Get(Get));

/// All of them, if they are of this operation: a [flight](super::Flight) is of one.
///
/// ```
/// use lessor::Key;
/// use lessor::storage::{Get, Release, Request};
/// use lessor_kit::lane::all;
///
/// let looks: Vec<Request> = vec![Get::new(Key::new("a")?).into(), Get::new(Key::new("b")?).into()];
/// assert_eq!(all::<Get>(&looks).map(|looks| looks.len()), Some(2));
/// assert_eq!(all::<Release>(&looks), None);
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[must_use]
pub fn all<R: Shared>(requests: &[Request]) -> Option<Vec<&R>> {
    requests.iter().map(R::of).collect()
}
