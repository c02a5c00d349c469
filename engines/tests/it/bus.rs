//! The bus port: the contract that every engine keeps, and the faults that the embedded one can play.

mod contract;
mod embedded;
