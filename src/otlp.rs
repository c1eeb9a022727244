//! Traces for an OpenTelemetry collector, as an option of the build: what the log says of a request, as spans.

#[cfg(feature = "otlp")]
mod export {
    use anyhow::Context;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_otlp::{SpanExporter, WithExportConfig};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::Subscriber;
    use tracing_subscriber::Layer;
    use tracing_subscriber::registry::LookupSpan;

    /// Sends what is left when it is dropped.
    pub struct Export {
        provider: SdkTracerProvider,
    }

    impl Drop for Export {
        fn drop(&mut self) {
            // A collector that is not there keeps nobody from ending.
            let _ = self.provider.shutdown();
        }
    }

    /// A layer that sends each span to the collector at `endpoint`, from a thread of its own.
    ///
    /// # Errors
    /// When the address is none.
    pub fn layer<S>(endpoint: &str) -> anyhow::Result<(Box<dyn Layer<S> + Send + Sync>, Export)>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).build();
        let exporter = exporter.with_context(|| format!("traces can't be sent to {endpoint}"))?;
        let resource = Resource::builder().with_service_name("renzheng").build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        let tracer = provider.tracer("renzheng");
        Ok((Box::new(tracing_opentelemetry::layer().with_tracer(tracer)), Export { provider }))
    }
}

#[cfg(not(feature = "otlp"))]
mod export {
    use tracing::Subscriber;
    use tracing_subscriber::Layer;

    /// There is nothing to send in this build.
    pub enum Export {}

    /// Says that this build sends no traces.
    ///
    /// # Errors
    /// Always.
    pub fn layer<S: Subscriber>(_: &str) -> anyhow::Result<(Box<dyn Layer<S> + Send + Sync>, Export)> {
        anyhow::bail!("this build sends no traces: build it with `--features otlp`")
    }
}

pub use export::{Export, layer};
