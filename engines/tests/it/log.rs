//! The log port: the contract that every engine keeps, and what only the embedded one promises.

mod contract;
mod embedded;
