//! Meta-tests: for each checker a history that must trip it, and legal oddities that must not.

mod clients;
mod deposed;
mod legal;
mod losses;
mod memory;
mod replicas;
mod rig;
mod tiering;
