//! Who may talk to the broker: users, SASL exchanges as the server sees them, and what a connection may ask before and after.

mod exchange;

mod jwt;

mod session;

mod users;

pub(crate) use session::{Admission, Session};
pub(crate) use users::Users;
