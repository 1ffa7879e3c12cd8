"""Read a CT series with SimpleITK each time a line comes in, and answer with the seconds it took."""

import sys
import time

import SimpleITK

folder = sys.argv[1]
for _ in sys.stdin:
    began = time.perf_counter()
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
    SimpleITK.GetArrayFromImage(reader.Execute())
    print(time.perf_counter() - began, flush=True)
