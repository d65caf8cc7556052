"""Things we call: embedders, language models, devices. Each file translates its foreign errors itself."""
