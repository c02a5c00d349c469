//! The bus port: the contract that every engine keeps, and the faults that each of them has.

mod contract;
mod embedded;
mod redis;
