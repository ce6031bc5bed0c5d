"""Name the reasons for which a training ends early, each with the exit code of its process.

Codes follow the shell (128 + signal) and ``sysexits.h``. Others that a training ends with: 0 when
it is finished, 1 after an error that nobody foresaw, 2 for wrong arguments or a wrong config, 130
after Ctrl-C, which stays a KeyboardInterrupt.
"""


class TrainingStop(Exception):  # noqa: N818 - like KeyboardInterrupt, no error of the program
    """End a training for a reason that its user should know; the message says what to do."""

    code = 1


class NonFiniteError(TrainingStop):
    """A loss, gradient or weight is NaN or infinite; what led to it was written down."""

    code = 70  # EX_SOFTWARE


class MemoryShortage(TrainingStop):
    """The device or the machine has too little memory for the batch."""

    code = 71  # EX_OSERR


class DiskShortage(TrainingStop):
    """The disk has no room for the next checkpoint; those that exist are whole."""

    code = 74  # EX_IOERR


class Stall(TrainingStop):
    """Nothing has moved for too long; the stacks of all threads were written down."""

    code = 75  # EX_TEMPFAIL


class Preempted(TrainingStop):
    """Somebody asked the process to end; a checkpoint of this very iteration was written."""

    code = 143  # SIGTERM
