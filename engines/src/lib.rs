//! The three ports and their engines: an URL selects which one serves.
//!
//! * [`log`]: the one write. Append, read from a position, follow.
//! * [`bus`]: live delivery. Publish in order by compare-and-set, subscribe, recent tail, leases.
//! * [`store`]: accounts, rooms, members, history; batch write together with the position reached.
//!
//! A port is several small traits; each engine sits in the file that bears its name, and one contract suite per port runs against every engine.

pub mod bus;
pub mod folder_lock;
pub mod log;
pub mod store;
