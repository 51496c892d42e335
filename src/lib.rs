//! Copies the commits of every readable repository's default branch from Bitbucket Data Center into SQL.
//!
//! The map of the house; dependencies point down:
//!
//! | room | reason to change |
//! |---|---|
//! | [`plugin`] | what `kubectl bitbucket` can do |
//! | [`cli`] | what can be typed |
//! | [`datacloud`] | what the Data Cloud API answers |
//! | [`page`] | what a browser shows |
//! | [`callers`] | what is done for somebody, with their rights |
//! | [`webhook`] | how Bitbucket says that somebody has pushed |
//! | [`controller`] | what Kubernetes is told, and when something is done |
//! | [`secrets`] | what Secrets say |
//! | [`kubernetes`] | how the API server is called |
//! | [`verification`] | what an answer means for the credentials |
//! | [`sync`] | how stored commits become those of the head |
//! | [`bitbucket`] | how Bitbucket is asked, and how it answers |
//! | [`destination`] | how rows are stored |
//! | [`trust`] | where credentials may go |
//! | [`api`] | what users write and read |
//! | [`runtime`] | the process |

pub mod api;
pub mod bitbucket;
pub mod callers;
pub mod cli;
pub mod controller;
pub mod datacloud;
pub mod destination;
pub mod kubernetes;
pub mod page;
pub mod plugin;
pub mod runtime;
pub mod secrets;
pub mod sync;
pub mod trust;
pub mod verification;
pub mod webhook;
