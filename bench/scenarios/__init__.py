"""What is measured: a module each, with `run(system, report)`."""
