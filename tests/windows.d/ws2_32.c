/* What a Windows perl of 32 bits wants of ws2_32.dll, which wine 8 cannot load into a program of 32 bits
 * without libraries of 32 bits: sockets that all fail. */

#define FAILS __declspec(dllexport) int __stdcall
#define NONE { return 0; }

struct data {
    unsigned short version, highest;
};

FAILS WSAStartup(int version, struct data *data) {
    data->version = data->highest = (unsigned short)version;
    return 0;
}
FAILS WSACleanup(void) NONE
FAILS WSAGetLastError(void) NONE
FAILS WSASetLastError(int a) NONE
FAILS WSASocketA(int a, int b, int c, int d, int e, int f) { return -1; }
FAILS WSCEnumProtocols(int a, int b, int c, int d) { return -1; }
FAILS __WSAFDIsSet(int a, int b) NONE
FAILS accept(int a, int b, int c) { return -1; }
FAILS bind(int a, int b, int c) { return -1; }
FAILS closesocket(int a) { return -1; }
FAILS connect(int a, int b, int c) { return -1; }
FAILS gethostbyaddr(int a, int b, int c) NONE
FAILS gethostbyname(int a) NONE
FAILS gethostname(int a, int b) { return -1; }
FAILS getpeername(int a, int b, int c) { return -1; }
FAILS getprotobyname(int a) NONE
FAILS getprotobynumber(int a) NONE
FAILS getservbyname(int a, int b) NONE
FAILS getservbyport(int a, int b) NONE
FAILS getsockname(int a, int b, int c) { return -1; }
FAILS getsockopt(int a, int b, int c, int d, int e) { return -1; }
FAILS htonl(int a) NONE
FAILS htons(int a) NONE
FAILS inet_addr(int a) NONE
FAILS inet_ntoa(int a) NONE
FAILS ioctlsocket(int a, int b, int c) { return -1; }
FAILS listen(int a, int b) { return -1; }
FAILS ntohl(int a) NONE
FAILS ntohs(int a) NONE
FAILS recv(int a, int b, int c, int d) { return -1; }
FAILS recvfrom(int a, int b, int c, int d, int e, int f) { return -1; }
FAILS select(int a, int b, int c, int d, int e) { return -1; }
FAILS send(int a, int b, int c, int d) { return -1; }
FAILS sendto(int a, int b, int c, int d, int e, int f) { return -1; }
FAILS setsockopt(int a, int b, int c, int d, int e) { return -1; }
FAILS shutdown(int a, int b) { return -1; }
FAILS socket(int a, int b, int c) { return -1; }
