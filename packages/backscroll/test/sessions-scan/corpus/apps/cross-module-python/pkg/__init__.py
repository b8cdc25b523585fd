from .core import *  #> import
