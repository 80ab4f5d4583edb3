//! Simulated external services.
