from .engine import Engine as Engine
from .gateway import Gateway as Gateway
from .guard import Security as Security
from .keys import Keys as Keys
from .player import Player as Player
from .subscriber import Message as Message
from .subscriber import Subscriber as Subscriber
