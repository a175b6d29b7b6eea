"""Running a compiled program: modules and their files, arrays, devices, the number of threads, and timing."""

from compiler.runtime.array import empty
from compiler.runtime.artifact import Artifact, ModuleFileError
from compiler.runtime.bound import Bindable, Bound
from compiler.runtime.device import Device, DeviceArray, DeviceError
from compiler.runtime.module import Module
from compiler.runtime.threads import num_threads, set_num_threads
from compiler.runtime.timing import Timing

__all__ = [
    "Artifact",
    "Bindable",
    "Bound",
    "Device",
    "DeviceArray",
    "DeviceError",
    "Module",
    "ModuleFileError",
    "Timing",
    "empty",
    "num_threads",
    "set_num_threads",
]
