//! The actors of the service.
