"""The process engine: processes as versioned data, their checks, and who may do what when.

A process is a TOML file beside its owner: states, and transitions with actor, guards, one money
action, and the time at which the system makes them by itself. The engine is pure; owners register
the guards and actions by name. An order pins the version that it was opened under.

``model`` searches all ways through a process, ``simulation`` lives random ones, ``drawing`` shows
them: all three take any process, and know nothing of its owner.
"""
