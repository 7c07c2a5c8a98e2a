//! The same crash as the Azure API tells it: conversations, and responses in the background.

mod api;
mod count;
mod frames;
mod load;
mod record;

pub use api::Api;
pub use count::Count;
pub use frames::Frame;
pub use load::{Worker, said};
pub use record::{Asked, Left};
