//! How the cost of one thing grows with how much there is of another. Small and large take turns where both can be there at the same time; else each takes
//! turns with a limit, whose own growth is taken off.

pub(super) mod backlog;
pub(super) mod history;
pub(super) mod members;
pub(super) mod rooms;
