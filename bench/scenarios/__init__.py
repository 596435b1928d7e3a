"""What is measured: a module each, with `run(system, report)`.

One that needs no system has `run_alone(report)`. `OVERRIDES` are environment variables by process.
"""
