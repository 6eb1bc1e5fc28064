//! The state machine alone, by its rules and by random histories; the coordinator and the leaders
//! of partitions, with a broker around them.

mod coordinating;
mod epochs;
mod leading;
mod random;
mod rules;
