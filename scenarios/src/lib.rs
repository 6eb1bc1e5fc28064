//! The scenario language: schema, validation, plan, library and catalogue.

mod base64;
mod bounds;
mod catalogue;
mod check;
mod crowded;
mod digest;
mod flags;
mod format;
pub mod import;
mod library;
mod load;
pub mod plan;
mod resolve;
mod schema;
pub mod suite;
mod text;
mod times;
pub mod units;
mod unread;
mod variant;

pub use base64::decode_base64;
pub use catalogue::hardware::{Offer, ec2_offers, ec2_storage, msk_offers};
pub use catalogue::managed::serverless_offer;
pub use catalogue::prices::read_prices;
pub use catalogue::services::{
    Express, Limit, Sizer, SizerInstance, ec2_price, express_offers, express_sizes, list_price,
    msk_price, regions, service_limit, service_meters, service_price, sizer,
};
pub use digest::{PlanError, sha256_hex};
pub use flags::read_flags;
pub use format::{constants_reference, format_reference};
pub use library::{LibraryEntry, library, negative};
pub use load::{closest_scenario, load};
pub use resolve::add_remote_storage;
pub use schema::json::{plan_schema, scenario_schema};
pub use text::diagnostic::{Diagnostic, DiagnosticRecord, ScenarioError};
pub use text::json_words::json_words;
pub use text::set::split_pair;
pub use text::source::{Source, Span};
pub use unread::{ConfigKey, config_keys, unread_configs};
pub use variant::{Change, Document};
