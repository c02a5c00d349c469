//! The log port: the contract that every engine keeps, and what each of them promises besides.

mod contract;
mod embedded;
mod kafka;
