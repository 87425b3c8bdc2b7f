/* case_fold.c: prints each code point that folds to another (base/case_fold.h), a line each:
 *
 *     farthing-case-fold          CODE_POINT FOLDED, in hexadecimal digits
 */
#include "base/case_fold.h"

#include <stdio.h>

int main(void)
{
    for (uint32_t code_point = 0; code_point <= 0x10FFFF; code_point++) {
        uint32_t folded = case_fold_code_point(code_point);

        if (folded != code_point)
            printf("%X %X\n", (unsigned)code_point, (unsigned)folded);
    }
    return 0;
}
